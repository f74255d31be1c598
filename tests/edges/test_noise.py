"""Machines and builds with manners of their own: noise is no verdict, and no search goes on for ever."""

import pytest

from tests.support.edges import BAD, GOOD, OTHER, Answer, Repo, Toy, daemons, until

COUNT = 'c=$(git log -1 --format=%s); n=$(cat "{top}/n-$c" 2>/dev/null || echo 0); echo $((n+1)) >"{top}/n-$c"\n'
"""Shell text: `$c` is the subject, `$n` how often that commit was booted before."""


def bad_end(toy: Toy, tree: Repo, text: str) -> tuple[str, str]:
    """Two quiet commits, and one whose machine is a shell text that knows how often it ran; the ends."""
    toy.machine(COUNT.format(top=toy.top) + f'if [ "$c" != end ]; then {GOOD}exit; fi\n{text}')
    good = tree.line("good*2")[0]
    return good, tree.commit(subject="end")


@pytest.mark.parametrize("then", [OTHER, "exit 0\n"], ids=["elsewhere", "lost"])
def test_bad_end_is_quiet_once_and_then_cannot_be_told(toy: Toy, tree: Repo, then: str) -> None:
    good, bad = bad_end(toy, tree, f"if [ $n = 0 ]; then {GOOD}else\n{then}fi\n")
    done = toy.bisect(tree, good, bad, "--runs", "3")
    if done.status != 3:
        done.is_culprit_or_open(bad)


def test_crash_elsewhere_once_among_many(toy: Toy, tree: Repo) -> None:
    good, bad = bad_end(toy, tree, f"if [ $n = 1 ]; then\n{OTHER}else\n{BAD}fi\n")
    toy.bisect(tree, good, bad, "--runs", "auto").is_culprit(bad)


def test_machine_lost_twice_among_many_crashes(toy: Toy, tree: Repo) -> None:
    good, bad = bad_end(toy, tree, f"if [ $n = 1 -o $n = 2 ]; then exit 0; fi\n{BAD}")
    toy.bisect(tree, good, bad, "--runs", "auto").is_culprit_or_open(bad)


def test_machine_leaves_a_daemon(toy: Toy, tree: Repo) -> None:
    """It keeps the console open after the last line; the machine's own end is what counts."""
    with daemons(toy.top) as noted:
        toy.machine(f"setsid sh -c '{noted}; exec sleep 300' &\nsh console.sh\n", timeout="2s")
        shas = tree.line("good*2 bad same")
        toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[2])


def test_build_leaves_a_daemon(toy: Toy, tree: Repo) -> None:
    """A compiler's server keeps the build's output open: the build is over when its command is."""
    with daemons(toy.top) as noted:
        tree.write({"build.sh": f"setsid sh -c '{noted}; exec sleep 300' & true\n"})
        shas = tree.line("good bad")
        toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[1])


def test_daemon_of_a_build_does_not_hold_the_tree(toy: Toy, tree: Repo) -> None:
    """It has closed its output, and has whatever else it was given."""
    with daemons(toy.top) as noted:
        tree.write({"build.sh": f"setsid sh -c '{noted}; exec sleep 300' >/dev/null 2>&1 </dev/null & true\n"})
        shas = tree.line("good bad")
        for _ in range(2):
            done = toy.bisect(tree, shas[0], shas[-1])
            done.is_culprit(shas[1])
            assert "waiting" not in done.err


CONSOLES = {
    "sentinel in the text": 'printf "user: regress: passed\\nregress: failed no\\n[ 1.0] regress: passed\\n"\n' + GOOD,
    "garbage": f"head -c 5000000 /dev/urandom\necho\n{GOOD}",
    "one long line": f"head -c 5000000 /dev/zero | tr '\\0' x\necho\n{GOOD}",
    "no newline": 'yes "[    1.000000] a line" | head -c 5000000\necho\nprintf "regress: passed"\n',
    "carriage return": 'printf "regress: passed\\r\\n"\n',
}


def test_consoles_of_all_sorts(toy: Toy, tree: Repo) -> None:
    """Every kind of console is told, the crash among garbage too, and a machine that kills itself after it."""
    for name, text in CONSOLES.items():
        tree.commit(subject=name, files={"console.sh": text})
    crash = f"head -c 2000000 /dev/urandom\necho\n{BAD}head -c 3000 /dev/urandom\nkill -9 $$\n"
    culprit = tree.commit(files={"console.sh": crash})
    tree.commit()
    first = tree.git("rev-list", "--max-parents=0", "HEAD")
    toy.bisect(tree, first, "HEAD").is_culprit(culprit)
    runs = [word for sha in tree.git("rev-list", f"{culprit}~").split() for word in ("--commit", sha)]
    done = toy.call("run", "--json", "--tree", str(tree.path), *runs)
    assert {one["subject"]: one["verdict"] for one in done["commits"]} == dict.fromkeys(CONSOLES, "good")


@pytest.mark.parametrize(
    ("victim", "end"),
    [(3, "exit 1"), (2, "exit 1"), (2, "kill -9 $$")],
    ids=["culprit", "parent", "parent, by a signal"],
)
def test_build_that_fails_once(toy: Toy, tree: Repo, victim: int, end: str) -> None:
    """Boots that fail once are tried again, and so are builds."""
    once = toy.top / "once"
    tree.write({"build.sh": f"if [ -e {once}-$REGRESS_COMMIT ]; then rm {once}-$REGRESS_COMMIT; {end}; fi\n"})
    shas = tree.line("good*3 bad same*2")
    (toy.top / f"once-{shas[victim]}").touch()
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[3])


@pytest.mark.parametrize("runs", ["1", "auto"])
def test_crash_at_the_first_boot_only(toy: Toy, tree: Repo, runs: str) -> None:
    """A state outside of the tree: the culprit, or a word that this is not one."""
    toy.machine(
        f"if [ $(cat bad) = 1 ] && [ ! -e {toy.top}/booted-$(git rev-parse HEAD) ]; then\n"
        f"touch {toy.top}/booted-$(git rev-parse HEAD)\n{BAD}else {GOOD}fi\n"
    )
    good = tree.commit(files={"bad": "0\n"})
    tree.line("same*2")
    culprit = tree.commit(files={"bad": "1\n"})
    tree.line("same*4")
    toy.bisect(tree, good, "HEAD", "--runs", runs).is_culprit_or_open(culprit)


def test_search_that_cannot_decide_ends(toy: Toy, tree: Repo) -> None:
    """A crash at three boots of ten, and a parent that is lost at the wrong moment."""
    most = 150
    toy.machine(
        COUNT.format(top=toy.top) + f"[ $n -lt {most} ] || touch {toy.top}/many\n"
        f'case "$c" in\nA) [ $n -ge 9 -a $n -lt 11 ] && exit 0; {GOOD};;\nG) {GOOD};;\n'
        f"B) case $((n % 10)) in 1|5|8)\n{BAD};;\n*) {GOOD};; esac;;\nesac\n"
    )
    good, _, culprit = tree.commit(subject="G"), tree.commit(subject="A"), tree.commit(subject="B")
    ends = ("--tree", str(tree.path), "--good", good, "--bad", culprit)
    process = toy.start("bisect", "--json", *ends, "--runs", "auto", "--confidence", "0.99")
    until(lambda: process.poll() is not None or (toy.top / "many").exists(), 60)
    endless = process.poll() is None
    process.terminate()
    out, err = process.communicate()
    assert not endless, f"a commit was booted more than {most} times"
    Answer(process.returncode, out, err).is_culprit_or_open(culprit)


@pytest.mark.parametrize("runs", ["1", "auto"])
def test_crash_elsewhere_once_while_the_culprit_is_verified(toy: Toy, tree: Repo, runs: str) -> None:
    toy.machine(
        COUNT.format(top=toy.top) + f'if [ "$c" = culprit ] && [ $n = 1 ]; then\n{OTHER}else sh console.sh; fi\n'
    )
    good = tree.line("good*3")[0]
    culprit = tree.commit("bad", "culprit")
    tree.line("same*3")
    toy.bisect(tree, good, "HEAD", "--runs", runs).is_culprit(culprit)


@pytest.mark.parametrize("end", ["commit 1 good", "commit 7 same"], ids=["good end", "bad end"])
def test_crash_elsewhere_once_on_an_end(toy: Toy, tree: Repo, end: str) -> None:
    toy.machine(
        COUNT.format(top=toy.top) + f'if [ "$c" = "{end}" ] && [ $n = 0 ]; then\n{OTHER}else sh console.sh; fi\n'
    )
    shas = tree.line("good*3 bad same*3")
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[3])


def test_old_line_in_a_build_log_says_nothing(toy: Toy, tree: Repo) -> None:
    """A full disk cut a build short; there is room now, and it fails for a reason of its own: skipped."""
    room = toy.top / "room"
    says = f"if [ -e {room} ]; then echo 'x.c:1: error: no such thing'; else echo 'x.o: No space left on device'; fi"
    good = tree.line("good*7")[0]
    tree.commit(files={"build.sh": f"{says}; exit 1\n"})
    tree.commit(files={"build.sh": "true\n"})
    culprit = tree.line("good bad same*5")[1]
    paused = toy.bisect(tree, good, "HEAD")
    assert (paused.status, paused["status"]) == (3, "infrastructure")
    room.touch()
    toy.resume().is_culprit(culprit)
