"""How faults look."""

from evsim.errors import Fault, InputError, Mark, nearest


def test_fault_shows_place_excerpt_and_hint():
    fault = Fault(
        "Unknown key 'tme'.", Mark("net.yaml", 12, 3, 3), "  tme: 3", "did you mean 'dt'?"
    )
    assert str(fault) == (
        "net.yaml:12:3: Unknown key 'tme'.\n  12 |   tme: 3\n     |   ^^^\n  did you mean 'dt'?"
    )


def test_carets_stand_under_the_place_in_a_long_line():
    line = "x" * 300 + "HERE" + "y" * 300
    _, excerpt, carets = str(Fault("Wrong.", Mark("f", 1, 301, 4), line)).split("\n")
    assert len(excerpt) < 120
    assert excerpt[carets.index("^") : carets.rindex("^") + 1] == "HERE"


def test_carets_keep_inside_the_line():
    _, excerpt, carets = str(Fault("Wrong.", Mark("f", 1, 5, 80), "key: 1")).split("\n")
    assert len(carets) <= len(excerpt)


def test_mark_without_line_names_its_origin_only():
    fault = Fault("Wrong.", Mark("--set a.b=1", 0, 0), "")
    assert str(fault) == "--set a.b=1: Wrong."


def test_all_faults_are_in_the_message():
    error = InputError([Fault("One."), Fault("Two.")])
    assert str(error) == "One.\nTwo."
    assert error.exit_code == 2


def test_nearest():
    assert nearest("lfi", ["lif", "adex"]) == "did you mean 'lif'? known: adex, lif"
    assert nearest("zzz", ["lif"]) == "known: lif"
    assert nearest("x", []) == "none is defined"
