"""How the page looks: light and dark, on a phone and on paper; colours with a contrast of 4.5:1 and more (WCAG AA)."""

CSS = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --dim: #57606a; --line: #d0d7de; --card: #f6f8fa;
  --good: #116329; --bad: #b3151f; --skip: #7a4d00; --link: #0550ae; --mark: #fff1c2; --marked: #3d2a00; }
@media (prefers-color-scheme: dark) { :root { --back: #0d1117; --text: #e6edf3; --dim: #9aa4af; --line: #3d444d;
  --card: #161b22; --good: #56d364; --bad: #ff8a80; --skip: #e3b341; --link: #79b8ff; --mark: #4a3800;
  --marked: #ffe9a8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 70rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, pre:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
code, pre { font-family: ui-monospace, monospace; font-size: .85rem; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .75rem; overflow-x: auto;
  overflow-wrap: normal; line-height: 1.4; }
mark { background: var(--mark); color: var(--marked); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: .5rem 0; }
dt { color: var(--dim); }
dd { margin: 0; }
ol, ul { padding-left: 1.25rem; }
ol.steps { list-style: none; padding: 0; }
ol.steps li, section.card { border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .75rem; margin: .5rem 0;
  background: var(--card); }
section.card h3 { margin-top: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
.word { font-weight: 600; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .skip { color: var(--skip); } .dim { color: var(--dim); }
svg { display: block; width: 100%; height: 1.25rem; margin: .4rem 0; }
.gone { fill: var(--line); } .open { fill: var(--link); }
rect.good { fill: var(--good); } rect.bad { fill: var(--bad); } rect.skip { fill: var(--skip); }
@media (max-width: 40rem) { body { padding: .6rem; } dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .4rem; } }
"""
