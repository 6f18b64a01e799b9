"""What a run leaves behind: spikes, states, weights, trials and metrics in HDF5."""
