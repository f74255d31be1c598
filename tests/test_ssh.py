"""Hosts over SSH, with a real sshd on loopback."""

import os
import pickle
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import hosts
from harness.errors import InfrastructureError, LinkBroke, ProgramFailed, TimedOut, Unreachable, UserError
from harness.ssh import Address, Remote
from harness.ssh.config import parse
from tests.support import gone
from tests.support.edges import until
from tests.support.sshd import Sshd, keygen, sshd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("ssh") / "server") as running:
        yield running


@pytest.fixture
def lab(server: Sshd) -> Iterator[Remote]:
    server.configure()
    with server.remote() as remote:
        yield remote


def pids(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()]


def test_a_command_gives_status_and_both_streams(lab: Remote) -> None:
    done = lab.run("cat; echo 'it''s' >&2; exit 3", stdin=b"x" * 300_000, check=False)
    assert (done.returncode, len(done.stdout), done.stderr) == (3, 300_000, "its\n")
    assert lab.run(["printf", "%s|", "a b", "'", "$HOME"]).stdout == "a b|'|$HOME|"
    with pytest.raises(ProgramFailed, match=r"exit status 2 of: ssh lab .*\n.*No such file"):
        lab.run("ls /nowhere")


def test_lines_come_while_the_command_runs(lab: Remote, tmp_path: Path) -> None:
    lines: list[str] = []

    def heard(line: str) -> None:
        lines.append(line)
        (tmp_path / "go").touch()

    lab.run(f"echo first; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; echo last >&2", on_line=heard, timeout=30)
    assert lines == ["first", "last"]


def test_what_a_command_leaves_behind_is_ended(lab: Remote, tmp_path: Path) -> None:
    """However it ends: by itself, by its time limit, by an error of the caller's; daemons and the deaf too."""
    note = f">>{tmp_path}/pids"
    left = f"(trap '' TERM; sleep 600) & echo $! {note}; setsid sh -c 'echo $$ {note}; sleep 600' &"
    lab.run(f"{left} sleep 0.2")
    with pytest.raises(TimedOut, match="did not end within 1 s"):
        lab.run(f"{left} wait", timeout=1)

    def fails(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.run(f"{left} sleep 0.2; echo up; wait", on_line=fails, timeout=60)
    found = pids(tmp_path / "pids")
    assert len(found) == 6
    assert all(gone(pid) for pid in found)


def test_a_link_that_breaks_is_no_failure_of_the_command_and_leaves_nothing(
    server: Sshd, lab: Remote, tmp_path: Path
) -> None:
    lab.run("true")
    cut = threading.Thread(target=lambda: server.cut_once((tmp_path / "pid").exists))
    cut.start()
    with pytest.raises(LinkBroke, match=r"the link broke during: echo"):
        lab.run(f"echo $$ >{tmp_path}/pid; sleep 600")
    cut.join()
    assert gone(pids(tmp_path / "pid")[0])
    assert lab.run("echo again").stdout == "again\n"


def test_a_dead_connection_is_made_anew(server: Sshd, lab: Remote) -> None:
    lab.run("true")
    server.stop()
    with pytest.raises(Unreachable, match=r"lab: cannot be reached: .*127\.0\.0\.1 port"):
        lab.run("true")
    server.start()
    assert lab.run("echo here").stdout == "here\n"


def test_an_unknown_host_key_is_refused_with_the_command_that_adds_it(server: Sshd, tmp_path: Path) -> None:
    server.configure(f"Host new\n  UserKnownHostsFile {tmp_path / 'hosts'}\n  HashKnownHosts yes\n")
    with pytest.raises(Unreachable, match=r"its host key is not known") as refused:
        server.remote("new").run("true")
    told = subprocess.run(
        ["ssh-keygen", "-lf", str(server.top / "host.pub")], capture_output=True, text=True, check=True
    )
    assert told.stdout.split()[1] in str(refused.value)
    # By a shell, as a person would paste it; the line is made of the test's own paths.
    subprocess.run(str(refused.value).splitlines()[-1], shell=True, check=True, stdin=subprocess.DEVNULL)
    assert (tmp_path / "hosts").read_text().startswith("|1|"), "a hashed entry"
    assert server.remote("new").run("echo in").stdout == "in\n"


def test_a_changed_host_key_is_refused(tmp_path: Path) -> None:
    server = Sshd.new(tmp_path / "server")
    server.new_host_key(known=False)
    server.start()
    try:
        server.configure("Host *\n  StrictHostKeyChecking no\n")
        with pytest.raises(Unreachable, match="THE HOST KEY HAS CHANGED") as refused:
            server.remote().run("true")
        assert f"{server.known}:1" in str(refused.value)
        # By a shell, as a person would paste it; the line is made of the test's own paths.
        subprocess.run(str(refused.value).splitlines()[-1], shell=True, check=True, capture_output=True)
        assert server.remote().run("echo in").stdout == "in\n"
        public = (server.top / "host.pub").read_text().split()
        server.known.write_text(f"@revoked * {public[0]} {public[1]}\n")
        with pytest.raises(Unreachable, match="REVOKED"):
            server.remote().run("true")
    finally:
        server.stop()


def test_who_cannot_log_in_hears_what_was_tried(server: Sshd, tmp_path: Path) -> None:
    other, locked = keygen(tmp_path / "other"), tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(locked)], check=True)
    server.configure(f"Host lab\n  IdentityFile {other}\n  IdentityFile {locked}\n  User nobody-there\n")
    with pytest.raises(Unreachable) as refused:
        server.remote().run("true")
    for words in ("nobody-there cannot log in", f"{other}: refused", f"ssh-add {locked}"):
        assert words in str(refused.value)


def test_the_configuration_counts_as_ssh_has_it(server: Sshd, tmp_path: Path) -> None:
    """Include, Match, the agent with IdentitiesOnly, and a jump through another host."""
    (tmp_path / "more").write_text(
        f'Match host inner exec "true"\n  ProxyJump outer\n  HostKeyAlias [127.0.0.1]:{server.port}\n'
        f"  HostName localhost\n  IdentityFile {tmp_path / 'only'}\n  IdentityAgent {tmp_path / 'agent'}\n"
    )
    server.configure(f"Include {tmp_path / 'more'}\nMatch all\n")
    # The agent has a wrong key and the right one; IdentitiesOnly names the right one by its public half.
    for key in (keygen(tmp_path / "wrong"), server.key):
        if key is server.key:
            (tmp_path / "only.pub").write_text(key.with_suffix(".pub").read_text())
            (tmp_path / "only").write_text("")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL)
    try:
        env = {**os.environ, "SSH_AUTH_SOCK": str(tmp_path / "agent")}
        # 2 means that there is no agent yet.
        assert until(
            lambda: subprocess.run(["ssh-add", "-l"], env=env, capture_output=True, check=False).returncode != 2
        )
        subprocess.run(["ssh-add", "-q", str(tmp_path / "wrong"), str(server.key)], env=env, check=True)
        with server.remote("inner") as inner:
            assert len(inner.run("echo $SSH_CONNECTION").stdout.split()) == 4
            assert len(server.sessions()) >= 2, "one for the jump"
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait()
    server.configure("Host inner\n  ProxyJump nowhere\nHost nowhere\n  Port 1\n")
    with pytest.raises(Unreachable, match="port 1: Connection refused"):
        server.remote("inner").run("true")


def test_files_go_over_and_come_back(lab: Remote, tmp_path: Path) -> None:
    source, there, back = tmp_path / "a b", tmp_path / "far" / "it's", tmp_path / "back"
    source.write_bytes(os.urandom(3_000_000))
    sent = lab.put(source, str(there))
    assert there.read_bytes() == source.read_bytes()
    assert lab.get(str(there), back, most=3_000_000) == sent
    assert back.read_bytes() == source.read_bytes()
    assert [path.name for path in there.parent.iterdir()] == ["it's"]
    with pytest.raises(InfrastructureError, match="3000000 bytes, more than the 2999999 that are accepted"):
        lab.get(str(there), back, most=2_999_999)
    with pytest.raises(InfrastructureError, match="no such file"):
        lab.get(str(tmp_path / "none"), back, most=1)
    with pytest.raises(InfrastructureError, match="cannot create directory"):
        lab.put(source, f"{source}/below")


def test_a_transfer_goes_on_where_it_stopped(
    server: Sshd, lab: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "far" / "target"
    source.write_bytes(os.urandom(8_000_000))
    part = tmp_path / "far"

    def some() -> bool:
        return any(path.stat().st_size > 200_000 for path in part.glob(".target.*"))

    cut = threading.Thread(target=lambda: server.cut_once(some))
    cut.start()
    lab.put(source, str(target))
    cut.join()
    assert target.read_bytes() == source.read_bytes()
    # What lies there in part is trusted only as far as the hash goes.
    target.unlink()
    name = f".target.{lab.put(source, str(target))[:16]}.part"
    target.unlink()
    (part / name).write_bytes(b"garbage" * 1000)
    lab.put(source, str(target))
    assert target.read_bytes() == source.read_bytes()


def test_a_copy_of_a_remote_connects_by_itself(lab: Remote) -> None:
    lab.run("true")
    copy = pickle.loads(pickle.dumps(lab))
    assert copy == lab
    with copy:
        assert copy.run("echo two").stdout == "two\n"


def test_many_commands_side_by_side(lab: Remote) -> None:
    said: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: said.append(lab.run(f"sleep 0.{n}; echo {n}").stdout)) for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == [f"{n}\n" for n in range(6)]


def test_a_silent_link_is_given_up_on_both_sides(
    server: Sshd, lab: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that is there and does not answer, as behind a cut cable: its sshd is stopped."""
    monkeypatch.setattr("harness.ssh.connection.PULSE", 0.2)
    monkeypatch.setattr("harness.ssh.connection.SILENCE", 1.0)
    monkeypatch.setattr("harness.ssh.remote.SILENCE", 1.0)
    monkeypatch.setattr("harness.ssh.remote.PULSE", 0.2)
    lab.run("true")

    def stop() -> None:
        assert until((tmp_path / "pid").exists)
        for pid in server.sessions():
            os.kill(pid, signal.SIGSTOP)

    stopped = threading.Thread(target=stop)
    stopped.start()
    began = time.monotonic()
    with pytest.raises(LinkBroke):
        lab.run(f"echo $$ >{tmp_path}/pid; sleep 600")
    stopped.join()
    assert time.monotonic() - began < 30
    assert gone(pids(tmp_path / "pid")[0])
    for pid in server.sessions():
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lab", Address("lab")),
        ("me@10.0.0.5:2222", Address("10.0.0.5", "me", 2222)),
        ("[fe80::1%eth0]:22", Address("fe80::1%eth0", None, 22)),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    assert parse(text) == expected
    assert parse(str(expected)) == expected


@pytest.mark.parametrize("text", ["", "a b", "me@", "lab:x", "lab:70000", "-oProxyCommand=x", "me@-x", "fe80::1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UserError, match="expected"):
        parse(text)


def test_hosts_yaml(tmp_path: Path) -> None:
    config = tmp_path / "hosts.yaml"
    assert hosts.find("alias", config).address == Address("alias")
    (tmp_path / "key").touch()
    (tmp_path / "ssh_config").touch()
    config.write_text(
        "ssh_config: ssh_config\nhosts:\n  lab1: {address: 'root@10.0.0.5:2222', identity: key}\n  plain: {}\n"
    )
    ssh_config = tmp_path / "ssh_config"
    assert hosts.find("lab1", config).address == Address("10.0.0.5", "root", 2222, tmp_path / "key", ssh_config)
    assert hosts.find("plain", config).address == Address("plain", config=ssh_config)
    assert hosts.find("alias", config).address == Address("alias", config=ssh_config)
    config.write_text("hosts:\n  lab1: {adress: x}\n")
    with pytest.raises(UserError, match=r"hosts.yaml:2: hosts.lab1: unknown key 'adress'; did you mean 'address'\?"):
        hosts.hosts(config)
    config.write_text("hosts:\n  lab1: {address: 'a b'}\n")
    with pytest.raises(UserError, match=r"hosts.yaml:2: hosts.lab1.address: expected \[user@\]host\[:port\]"):
        hosts.hosts(config)
