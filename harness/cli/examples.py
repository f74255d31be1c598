"""What `--help` shows of each command: lines that can be typed, and what they are for."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "run": (
        ("regress run lr#35498d", "on its known commits, of mainline or else of the replay"),
        ("regress run lr#35498d --tree ~/linux --commit HEAD", "does it show on this commit?"),
        ("regress run --all --tree replay", "every scenario, and one table"),
        ("regress run mine --commit v6.1 --runs 20", "a crash that comes only sometimes"),
    ),
    "bisect": (
        ("regress bisect lr#35498d --tree replay", "between the commits that the scenario knows"),
        ("regress bisect mine --tree ~/linux --good v6.1 --bad v6.2", "between two of your own"),
        ("regress bisect mine --good 2026-01-01 --bad 2026-02-01 --runs auto", "a crash that comes only sometimes"),
        ("regress bisect mine --find-fix --good v6.3 --bad v6.2", "the commit that ended it"),
        ("regress bisect mine --resume", "go on after whatever happened"),
    ),
    "audit": (
        ("regress audit lr#35498d 7c20f11680a4 --tree ~/linux", "is it that commit?"),
        ("regress audit mine bisect.log --tree ~/linux", "is a bisection of git's to be believed?"),
    ),
    "reproduce": (("regress reproduce ./draft --tree ~/linux --commit v6.1", "after `regress import`"),),
    "step": (("git bisect run regress step lr#35498d", "in a kernel tree, after `git bisect start BAD GOOD`"),),
    "try": (
        ("regress try lr#35498d v1.mbox v2.mbox", "which of two series ends it?"),
        ("regress try mine fix.patch --against all", "and does it break anything else?"),
    ),
    "kconfig": (
        ("regress kconfig lr#35498d", "what each part brings"),
        ("regress kconfig mine --minimise", "which options the regression needs"),
        ("regress kconfig mine --between good.config bad.config", "what makes the difference"),
    ),
    "nightly": (
        ("regress nightly", "what nightly.yaml says"),
        ("regress nightly --until 06:30 --json", "for a machine that is needed by day"),
        ("regress nightly --demo", "three made-up weeks, without a kernel"),
    ),
    "serve": (("regress serve --port 8080", "then look at http://127.0.0.1:8080/"),),
    "diff": (("regress diff results/OLD results/NEW", "exit status 1 if something got worse"),),
    "history": (
        ("regress history lr#35498d", "of a scenario"),
        ("regress history 'null-deref:*bio_integrity*'", "of a crash"),
    ),
    "where": (
        ("regress where lr#35498d --tree ~/linux-stable", "of a scenario"),
        ("regress where 7c20f11680a4 c775d2098d35 --tree ~/linux-stable", "of a commit and its fix"),
    ),
    "report": (
        ("regress report results/NAME", "as text again"),
        ("regress report results/NAME --format mail --output report.txt", "for the list"),
    ),
    "import": (
        ("regress import thread.mbox", "a thread, as lore.kernel.org gives it"),
        ("regress import https://syzkaller.appspot.com/bug?extid=0123456789abcdef0123", "a bug, with what it links to"),
        ("regress import console.log --repro repro.c --config kernel.config", "what syzbot's reports come with"),
    ),
    "list": (("regress list --scenarios ~/lab/scenarios", "with those of a folder of yours"),),
    "new": (("regress new my-claim", "a folder with scenario.yaml and run.sh, which runs as is"),),
    "show": (("regress show lr#35498d", "in words, and its script"),),
    "oops": (
        ("regress oops console.log", "of a file"),
        ("journalctl -k | regress oops", "of this machine"),
        ("ssh lab console -s board | regress oops --follow", "of a board, as they come"),
    ),
    "hosts": (
        ("regress hosts", "is each one ready?"),
        ("regress hosts setup build1 build2", "what they lack is put there"),
    ),
    "gc": (
        ("regress gc --dry-run", "what would go"),
        ("regress gc --cache-size 20G --older-than 90d", "less than usual, and old images too"),
    ),
    "doctor": (
        ("regress doctor", "what is missing, and how to get it"),
        ("regress doctor --arch arm64 --install", "for another architecture, installed at once"),
    ),
}


def told(command: str) -> str:
    """The examples of a command, as the end of its help."""
    rows = EXAMPLES[command]
    return "\n".join(["examples:", *(f"  {line}\n      {purpose}" for line, purpose in rows)])
