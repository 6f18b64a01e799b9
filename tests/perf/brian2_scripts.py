"""Brian2 scripts in evsim, in Brian2's Cython runtime and in its C++ standalone mode.

    python tests/perf/brian2_scripts.py [cuba cobahh poisson_stdp] [--rounds 3] [--trials 64]

Every contestant runs the same script in a process of its own, the contestants in turn, round by
round. `prepare` is from the finished script to the first step: taking and compiling code. `run` is
the simulation alone, spikes recorded; for C++ standalone it is what the compiled program reports.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time


def cuba(b2):
    """4,000 integrate-and-fire neurons, current-based synapses: Brette et al. 2007, benchmark 2."""
    cells = b2.NeuronGroup(
        4000,
        """dv/dt = (ge + gi - (v - e_leak))/(20*ms) : volt (unless refractory)
           dge/dt = -ge/(5*ms) : volt
           dgi/dt = -gi/(10*ms) : volt""",
        threshold="v > -50*mV",
        reset="v = -60*mV",
        refractory=5 * b2.ms,
        method="exact",
        namespace={"e_leak": -49 * b2.mV},
    )
    cells.v = "-60*mV + 10*mV*rand()"
    excite = b2.Synapses(cells, cells, on_pre="ge += 1.62*mV")
    excite.connect("i < 3200", p=0.02)
    inhibit = b2.Synapses(cells, cells, on_pre="gi -= 9*mV")
    inhibit.connect("i >= 3200", p=0.02)
    return [cells, excite, inhibit, b2.SpikeMonitor(cells)], 1.0


def cobahh(b2):
    """4,000 Hodgkin-Huxley neurons, conductance-based synapses: Brette et al. 2007, benchmark 3."""
    cells = b2.NeuronGroup(
        4000,
        """dv/dt = (10*nS*(-65*mV - v) + ge*(0*mV - v) + gi*(-80*mV - v)
                    - 20*usiemens*m**3*h*(v - 50*mV) - 6*usiemens*n**4*(v + 90*mV))/(200*pF) : volt
           dm/dt = alpha_m*(1 - m) - beta_m*m : 1
           dn/dt = alpha_n*(1 - n) - beta_n*n : 1
           dh/dt = alpha_h*(1 - h) - beta_h*h : 1
           dge/dt = -ge/(5*ms) : siemens
           dgi/dt = -gi/(10*ms) : siemens
           alpha_m = 0.32*4/exprel((13*mV - v + vt)/(4*mV))/ms : hertz
           beta_m = 0.28*5/exprel((v - vt - 40*mV)/(5*mV))/ms : hertz
           alpha_h = 0.128*exp((17*mV - v + vt)/(18*mV))/ms : hertz
           beta_h = 4/(1 + exp((40*mV - v + vt)/(5*mV)))/ms : hertz
           alpha_n = 0.032*5/exprel((15*mV - v + vt)/(5*mV))/ms : hertz
           beta_n = 0.5*exp((10*mV - v + vt)/(40*mV))/ms : hertz""",
        threshold="v > -20*mV",
        refractory=3 * b2.ms,
        method="exponential_euler",
        namespace={"vt": -63 * b2.mV},
    )
    cells.v = "-70*mV + 5*mV*randn()"
    cells.ge = "(1.5*randn() + 4)*10*nS"
    cells.gi = "(12*randn() + 20)*10*nS"
    excite = b2.Synapses(cells, cells, on_pre="ge += 6*nS")
    excite.connect("i < 3200", p=0.02)
    inhibit = b2.Synapses(cells, cells, on_pre="gi += 67*nS")
    inhibit.connect("i >= 3200", p=0.02)
    return [cells, excite, inhibit, b2.SpikeMonitor(cells)], 1.0


def poisson_stdp(b2):
    """1,000 Poisson inputs onto one neuron, additive plasticity: Song, Miller, Abbott 2000."""
    inputs = b2.PoissonGroup(1000, rates=15 * b2.Hz)
    cell = b2.NeuronGroup(
        1,
        """dv/dt = (ge*(0*mV - v) + (-74*mV - v))/(10*ms) : volt
           dge/dt = -ge/(5*ms) : 1""",
        threshold="v > -54*mV",
        reset="v = -60*mV",
        method="euler",
    )
    cell.v = -74 * b2.mV
    synapses = b2.Synapses(
        inputs,
        cell,
        """w : 1
           dpre/dt = -pre/(20*ms) : 1 (event-driven)
           dpost/dt = -post/(20*ms) : 1 (event-driven)""",
        on_pre="ge += w\npre += 0.0001\nw = clip(w + post, 0, 0.01)",
        on_post="post -= 0.000105\nw = clip(w + pre, 0, 0.01)",
    )
    synapses.connect()
    synapses.w = "rand()*0.01"
    return [inputs, cell, synapses, b2.SpikeMonitor(inputs), b2.SpikeMonitor(cell)], 100.0


NETWORKS = {make.__name__: make for make in (cuba, cobahh, poisson_stdp)}


def contest(name, mode, trials, threads):
    """Run one contestant in this process; print its times as JSON."""
    import brian2 as b2

    if mode == "cpp":
        folder = tempfile.mkdtemp()
        b2.set_device("cpp_standalone", build_on_run=False)
    # Connections and start states are drawn by NumPy, the same in evsim and in Cython.
    b2.prefs.codegen.target = "numpy"
    b2.seed(1)
    objects, duration = NETWORKS[name](b2)
    b2.prefs.codegen.target = "cython" if mode == "cython" else "numpy"
    network = b2.Network(objects)
    begun = time.perf_counter()
    if mode == "evsim":
        found = run_evsim(network, duration, trials, threads, begun)
    elif mode == "cpp":
        network.run(duration * b2.second)
        b2.device.build(directory=folder, compile=True, run=False, debug=False)
        prepared = time.perf_counter()
        b2.device.run(folder, with_output=False)
        spikes = sum(m.num_spikes for m in objects if isinstance(m, b2.SpikeMonitor))
        found = prepared - begun, float(b2.device._last_run_time), int(spikes)
    else:
        network.run(0.001 * b2.second)
        prepared = time.perf_counter()
        network.run(duration * b2.second)
        spikes = sum(m.num_spikes for m in objects if isinstance(m, b2.SpikeMonitor))
        found = prepared - begun, time.perf_counter() - prepared, int(spikes)
    print(json.dumps(found))


def run_evsim(network, duration, trials, threads, begun):
    """Return times to prepare and to run all trials, and the spikes of one."""
    from concurrent.futures import ThreadPoolExecutor

    import brian2 as b2

    import evsim

    program = evsim.compile(network, trials=trials).program(duration * b2.second)
    steps = program.plan.phases["run"].steps
    simulations = [program.simulation() for _ in range(threads)]
    prepared = time.perf_counter()

    def work(thread):
        simulation, spikes = simulations[thread], 0
        for trial in range(thread, trials, threads):
            simulation.begin({}, trial)
            simulation.enter("run")
            simulation.advance(steps, record=True)
            simulation.leave()
            spikes = sum(len(found.neuron) for found in simulation.take_spikes().values())
        return spikes

    with ThreadPoolExecutor(threads) as pool:
        spikes = list(pool.map(work, range(threads)))[0]
    return prepared - begun, time.perf_counter() - prepared, spikes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--as", dest="mode", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.mode:
        contest(given.networks[0], given.mode, given.trials, given.threads)
        return
    contestants = {
        "evsim": ("evsim", 1, 1),
        "Brian2 C++ standalone": ("cpp", 1, 1),
        "Brian2 Cython": ("cython", 1, 1),
        f"evsim, {given.trials} trials, 1 thread": ("evsim", given.trials, 1),
        f"evsim, {given.trials} trials, 2 threads": ("evsim", given.trials, 2),
    }
    for name in given.networks:
        best = {}
        for _ in range(given.rounds):
            for label, (mode, trials, threads) in contestants.items():
                words = [sys.executable, __file__, name, "--as", mode]
                words += ["--trials", str(trials), "--threads", str(threads)]
                done = subprocess.run(words, capture_output=True, text=True, check=True)
                found = json.loads(done.stdout.strip().splitlines()[-1])
                best[label] = min(best.get(label, found), found, key=lambda times: times[1])
        print(f"{name}: best of {given.rounds} rounds")
        reference = best["Brian2 Cython"][1]
        for label, (prepare, run, spikes) in best.items():
            trials = contestants[label][1]
            print(
                f"  {label:32} prepare {prepare:6.2f} s   run {run / trials:8.3f} s a trial"
                f"   {reference * trials / run:7.2f}x Cython   {spikes} spikes"
            )


if __name__ == "__main__":
    main()
