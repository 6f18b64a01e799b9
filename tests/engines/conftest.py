import pytest


@pytest.fixture(scope="session", autouse=True)
def compiled_programs(tmp_path_factory):
    """Keep compiled programs of this session, unless a folder is named already."""
    with pytest.MonkeyPatch.context() as patch:
        import os

        if "EVSIM_CACHE" not in os.environ:
            patch.setenv("EVSIM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
