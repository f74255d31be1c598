"""Completion for shells: what is fixed is in the script, names that are not are asked for when Tab is pressed."""

from __future__ import annotations

import shlex

from manual.commands import Argument, Command, commands

KINDS = {
    "CULPRIT": ("revision", "file"),
    "DIR": ("folder",),
    "FILE": ("file",),
    "FILE|TARGETS": ("file",),
    "FILE|URL": ("file",),
    "FILE|here": ("file",),
    "FIX": ("revision",),
    "GOOD.config BAD.config": ("file",),
    "LOG|RESULT": ("result", "file"),
    "NAME|PATH|URL": ("tree", "folder"),
    "NEW": ("result", "file"),
    "OLD": ("result", "file"),
    "PATCH": ("file",),
    "PATH": ("file",),
    "RESULT": ("result", "file"),
    "REV": ("revision",),
    "REV|DATE": ("revision",),
    "SCENARIO": ("scenario", "folder"),
    "SCENARIO|SIGNATURE": ("scenario",),
    "TREE|VMLINUX": ("file",),
    "WHAT": ("scenario", "result"),
}
"""What a value may be, by what stands for it in the help; others are not completed."""

ASK = r"""
# The names of a kind.  A checkout that was never started is not set up for their sake.
program=$(command -v -- "$1") || exit 0
here=$(dirname "$(readlink -f "$program")")
case $2 in
scenario)
    [ ! -d "$here/scenarios" ] || [ -e "$here/.venv" ] || exit 0
    "$program" list | cut -d " " -f 1
    ;;
revision)
    case $3 in "~/"*) set -- "$1" "$2" "$HOME/${3#??}" ;; esac
    git -C "${3:-.}" for-each-ref --format="%(refname:short)" refs/tags refs/heads
    ;;
result)
    [ -d results ] && top=results || top=$here/results
    for folder in "$top"/*/; do
        [ ! -d "$folder" ] || printf "%s\n" "${folder%/}"
    done
    ;;
tree) printf "%s\n" mainline stable linux-next replay ;;
esac 2>/dev/null
""".strip()
"""A program for sh: `PROGRAM KIND [TREE]`."""

NOTE = "Made by `make manual`; do not edit."

BASH = r"""
# shellcheck shell=bash
# {note}
# Completion for bash: source this file, or put it into ~/.local/share/bash-completion/completions/.
_regress_ask() {{
    sh -c '{ask}' sh "$@"
}}

_regress() {{
    local program=${{COMP_WORDS[0]}} current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
    local command="" tree="" kinds="" words="" options="--help --version" places="word" word kind
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        [[ $tree != - ]] || tree=$word
        [[ $word != --tree ]] || tree=-
        [[ -n $command || $word == -* ]] || command=$word
    done
    words="{commands}"
{table}
    [[ -n $kinds ]] || {{ [[ $current == -* ]] && kinds=word words=$options || kinds=$places; }}
    COMPREPLY=()
    for kind in $kinds; do
        case $kind in
        file | folder)
            compopt -o filenames 2>/dev/null
            [[ $kind == file ]] && word=-f || word=-d
            while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$word" -- "$current")
            ;;
        *)
            # No compgen -W: it would run what stands in the name of a branch.
            [[ $kind == word ]] || words=$(_regress_ask "$program" "$kind" "$tree")
            while IFS= read -r word; do
                [[ -z $word || $word != "$current"* ]] || COMPREPLY+=("$(printf %q "$word")")
            done <<<"${{words// /$'\n'}}"
            ;;
        esac
    done
}}

complete -F _regress regress
"""

ZSH = r"""
#compdef regress
# {note}
# Completion for zsh: put this file into a folder of $fpath, before compinit.
_regress_ask() {{
    sh -c '{ask}' sh "$@"
}}

_regress() {{
    local program=$words[1] current=$words[CURRENT] before=$words[CURRENT-1]
    local command="" tree="" kinds="" options places="word" word kind
    local -a told
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        [[ $tree != - ]] || tree=$word
        [[ $word != --tree ]] || tree=-
        [[ -n $command || $word == -* ]] || command=$word
    done
    options=("--help:show the help" "--version:show the version")
    told=(
{described}
    )
{table}
    if [[ -z $kinds && $current == -* ]]; then
        _describe -o option options
        return
    fi
    for kind in ${{=kinds:-$places}}; do
        case $kind in
        file) _files ;;
        folder) _files -/ ;;
        word) _describe word told ;;
        *) compadd -- "${{(@f)$(_regress_ask "$program" "$kind" "$tree")}}" ;;
        esac
    done
}}

_regress "$@"
"""

FISH = r"""
# {note}
# Completion for fish: put this file into ~/.config/fish/completions/.
function __regress_ask
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l tree ""
    if set -l at (contains --index -- --tree $words)
        set tree $words[(math $at + 1)]
    end
    sh -c '{ask}' sh $words[1] $argv[1] "$tree"
end

complete -c regress -f
complete -c regress -n __fish_use_subcommand -s h -l help -d "show the help"
complete -c regress -n __fish_use_subcommand -l version -d "show the version"
{table}
"""


def bash() -> str:
    """The script for bash."""
    words = 'words="{}"'
    lines = [*_taken(words), "    case $command in"]
    for command in commands():
        options = " ".join(name for one in command.options for name in one.names)
        places = f'places="{_places(command)}"{_choices(command, words)}'
        lines.append(f'    {command.name}) options="{options}" {places} ;;')
    return BASH.format(
        note=NOTE,
        ask=_inside(ASK),
        commands=" ".join(c.name for c in commands()),
        table="\n".join([*lines, "    esac"]),
    ).lstrip()


def zsh() -> str:
    """The script for zsh."""
    words = "told=({})"
    lines = [*_taken(words), "    case $command in"]
    for command in commands():
        places = f'places="{_places(command)}"{_choices(command, words)}'
        lines += [f"    {command.name})", f"        {places}", "        options=("]
        lines += [f"            {_pair(name, one.text)}" for one in command.options for name in one.names]
        lines += ["        )", "        ;;"]
    told = "\n".join(f"        {_pair(one.name, one.text)}" for one in commands())
    table = "\n".join([*lines, "    esac"])
    return ZSH.format(note=NOTE, ask=_inside(ASK), described=told, table=table).lstrip()


def fish() -> str:
    """The script for fish."""
    lines = []
    for command in commands():
        lines.append(f"complete -c regress -n __fish_use_subcommand -a {command.name} -d {_quoted(command.text)}")
        within = f"complete -c regress -n '__fish_seen_subcommand_from {command.name}'"
        for argument in command.positionals:
            lines.append(f"{within}{_offered(argument)}")
        for argument in command.options:
            names = "".join(f" -l {n[2:]}" if n.startswith("--") else f" -s {n[1:]}" for n in argument.names)
            value = f" -r{_offered(argument)}" if argument.value and not argument.optional else _offered(argument)
            lines.append(f"{within}{names}{value if argument.value else ''} -d {_quoted(argument.text)}")
    return FISH.format(note=NOTE, ask=ASK.replace("\\", "\\\\").replace("'", "\\'"), table="\n".join(lines)).lstrip()


def _kinds(argument: Argument) -> str:
    return " ".join(KINDS.get(argument.value, ("nothing",)))


def _values() -> dict[str, tuple[tuple[str, ...], str]]:
    """The words or else the kinds that options take, by their names, whatever the command."""
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for command in commands():
        for option in command.options:
            if option.value:
                name = "|".join(option.names)
                words, kinds = found.get(name, (option.words, ""))
                assert words == option.words, f"{name} takes other words in {command.name} than elsewhere"
                found[name] = words, " ".join(dict.fromkeys([*kinds.split(), *_kinds(option).split()]))
    return found


def _places(command: Command) -> str:
    kinds = [kind for one in command.positionals for kind in (("word",) if one.words else _kinds(one).split())]
    return " ".join(dict.fromkeys(kinds)) or "nothing"


def _taken(form: str) -> list[str]:
    """The case in which a shell finds what the option before takes; fixed words in a form of its own."""
    lines = ["    case $before in"]
    for pattern, (names, kinds) in _values().items():
        what = f"kinds=word {form.format(' '.join(names))}" if names else f'kinds="{kinds}"'
        lines.append(f"    {pattern}) {what} ;;")
    return [*lines, "    esac"]


def _choices(command: Command, form: str) -> str:
    words = [word for one in command.positionals for word in one.words]
    return f" {form.format(' '.join(words))}" if words else ""


def _offered(argument: Argument) -> str:
    """What fish offers for a value."""
    if argument.words:
        return f" -f -a {_quoted(' '.join(argument.words))}"
    kinds = _kinds(argument).split()
    ways = {"file": "", "nothing": "", "folder": "__fish_complete_directories"}
    asked = "; ".join(filter(None, (ways.get(kind, f"__regress_ask {kind}") for kind in kinds)))
    return (" -F" if "file" in kinds else " -f") + (f" -a '({asked})'" if asked else "")


def _inside(text: str) -> str:
    """Text between single quotes of a shell."""
    return text.replace("'", "'\\''")


def _pair(name: str, text: str) -> str:
    """What zsh takes as a word with its description."""
    return shlex.quote(f"{name}:{text}")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
