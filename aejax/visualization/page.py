"""The page around a report: one template, one style sheet, nothing fetched from anywhere."""

import string

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --ink: #1d2125; --muted: #5f676f; --line: #e2e5e8; --accent: #1f63a8; --code: #f1f3f5;
  --good: #1e6b3c; --good-back: #e5f4ea; --warn: #7a4b00; --warn-back: #fdf1d8; --bad: #9c1c00; --bad-back: #fce8e3;
  --serif: 'Iowan Old Style', 'Palatino Linotype', Palatino, Charter, Georgia, serif;
  --sans: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif;
  --mono: ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #15181b; --card: #1d2125; --ink: #e6e8ea; --muted: #9aa3ab; --line: #31373d; --accent: #7ab4ee; --code: #252a2f;
    --good: #8fd9ab; --good-back: #173324; --warn: #f1c677; --warn-back: #3a2c10; --bad: #ff9d85; --bad-back: #43190f;
  }
  .plate { filter: brightness(0.92); }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); font: 1rem/1.55 var(--sans); }
main { max-width: 61rem; margin: 0 auto; padding: 3.2rem 1.5rem 4rem; }
h1, h2, h3 { line-height: 1.2; text-wrap: balance; }
h1 { font: 600 2.5rem/1.12 var(--serif); letter-spacing: -0.015em; margin: 0.5rem 0 0.9rem; overflow-wrap: anywhere; }
h2 { font: 600 1.5rem/1.2 var(--serif); margin: 0 0 0.9rem; }
h3 { font: 600 1.02rem/1.3 var(--sans); margin: 0; }
p { margin: 0 0 0.9rem; max-width: 44rem; text-wrap: pretty; }
section, details { margin-top: 3rem; }
.eyebrow { color: var(--muted); font-size: 0.9rem; margin: 0; max-width: none; overflow-wrap: anywhere; }
.dot { opacity: 0.5; padding: 0 0.2em; }
.lede { font: 1.15rem/1.5 var(--serif); color: var(--muted); }
.badge { display: inline-block; padding: 0.05rem 0.6rem; border-radius: 1rem; font-size: 0.82rem; font-weight: 600; }
.good { color: var(--good); background: var(--good-back); }
.warn { color: var(--warn); background: var(--warn-back); }
.bad { color: var(--bad); background: var(--bad-back); }
.note { padding: 0.7rem 1rem; border-radius: 0.5rem; overflow-wrap: anywhere; }
.alarm { color: var(--bad); }
.foot { color: var(--muted); font-size: 0.87rem; margin-top: 0.7rem; }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 2px; }
.tiles { display: flex; flex-wrap: wrap; gap: 1px; margin: 1.6rem 0 0;
  background: var(--line); border: 1px solid var(--line); border-radius: 0.6rem; overflow: hidden; }
.tiles div { flex: 1 0 8.5rem; background: var(--card); padding: 0.8rem 1rem; display: flex; flex-direction: column-reverse;
  justify-content: flex-end; }
.tiles dd { margin: 0; font-size: 1.35rem; font-weight: 600; white-space: nowrap; font-variant-numeric: tabular-nums; }
.tiles dt { color: var(--muted); font-size: 0.82rem; line-height: 1.35; }
nav { margin-top: 1.4rem; font-size: 0.9rem; display: flex; flex-wrap: wrap; gap: 0.3rem 1.3rem; }
a { color: var(--accent); text-underline-offset: 0.2em; text-decoration-thickness: 1px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; line-height: 1.4; }
th, td { text-align: left; vertical-align: top; padding: 0.6rem 1.3rem 0.6rem 0; border-bottom: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--muted); font-weight: 500; font-size: 0.82rem; padding-top: 0; }
tbody th { font-weight: 600; }
.result tbody th, .course tbody th { min-width: 9.5rem; }
td:empty::before { content: '\\2013'; color: var(--muted); }
.result code, td small { color: var(--muted); font-size: 0.8rem; font-weight: 400; }
.result td:nth-child(2), .course td { white-space: nowrap; font-variant-numeric: tabular-nums; }
.result td:nth-child(3) { font-variant-numeric: tabular-nums; }
.figure { font-size: 1.12rem; font-weight: 600; }
.result td:nth-child(n+3) { color: var(--muted); }
.pairs th { width: 1%; white-space: nowrap; font-weight: 400; }
.pairs td { overflow-wrap: anywhere; }
.pairs th, .pairs td { padding-top: 0.28rem; padding-bottom: 0.28rem; }
.pairs th code { color: var(--muted); }
code, pre { font-family: var(--mono); font-size: 0.85em; }
pre { background: var(--code); border-radius: 0.5rem; padding: 0.9rem 1.1rem; margin: 0 0 0.9rem; line-height: 1.6;
  overflow-x: auto; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 2.2rem 1.6rem;
  grid-auto-flow: dense; }
figure { margin: 0 0 1.5rem; display: flex; flex-direction: column; gap: 0.7rem; min-width: 0; }
.figures figure { margin: 0; }
figure.wide { grid-column: 1 / -1; }
figcaption p { margin: 0.15rem 0 0; max-width: none; color: var(--muted); font-size: 0.9rem; line-height: 1.45; }
.plate { background: #ffffff; border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.7rem; overflow-x: auto; }
.plate img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
details { border-top: 1px solid var(--line); padding-top: 1.2rem; }
details + details { margin-top: 1.2rem; }
summary { cursor: pointer; display: flex; align-items: baseline; gap: 0.8rem; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary::before { content: '+'; color: var(--accent); font: 1.3rem/1 var(--mono); width: 0.8rem; }
details[open] summary::before { content: '\\2212'; }
details[open] summary { margin-bottom: 0.9rem; }
summary h2 { margin: 0; font-size: 1.25rem; }
summary span { color: var(--muted); font-size: 0.87rem; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--muted); font-size: 0.85rem; }
@media screen and (max-width: 40rem) {
  main { padding: 1.6rem 1.1rem 3rem; }
  h1 { font-size: 1.9rem; }
  .result thead, .course thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  .result tr, .course tr { display: block; padding: 0.8rem 0; border-bottom: 1px solid var(--line); }
  .result th, .course th { display: block; border: 0; padding: 0 0 0.25rem; }
  .result td, .course td { display: grid; grid-template-columns: 5rem 1fr; border: 0; padding: 0.12rem 0; }
  .result td::before, .course td::before { content: attr(data-head); color: var(--muted); font-weight: 400; font-size: 0.82rem; }
  .result td:empty { display: none; }
  .pairs th { white-space: normal; width: 45%; overflow-wrap: anywhere; }
  .wide img { max-width: none; width: max(100%, 34rem); }
}
@media print {
  body { background: none; font-size: 10pt; }
  main { max-width: none; padding: 0; }
  nav, summary::before { display: none; }
  section { margin-top: 1.6rem; }
  pre { white-space: pre-wrap; }
  .figures { grid-template-columns: 1fr 1fr; gap: 1.2rem; }
  figure, tr, pre { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .badge, .note { border: 1px solid currentColor; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""

TEMPLATE = string.Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
$body
</main>
</body>
</html>
""")


def page(title: str, body: str) -> str:
    """The whole document; `title` and `body` are HTML already."""
    return TEMPLATE.substitute(title=title, style=STYLE, body=body)
