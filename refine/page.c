/* The frame and the style sheet of every page. */
#include "refine/page.h"

#include "refine/svg.h"

#include <string.h>

static const char style[] =
    ":root{--bg:#fff;--fg:#1d2129;--soft:#5b6472;--line:#d8dde4;--box:#f5f7fa;--mark:#ffe0de;"
    "--s0:#1f6feb;--s1:#d1570c;--s2:#1a7f47;--s3:#8250df;--s4:#0e7c86;--s5:#c2255c;"
    "--s6:#7a6a00;--s7:#5b6472;--s8:#8a4b2a;--s9:#364fc7;--s10:#5c940d;--s11:#b0309c;"
    "--good:#1a7f47;--bad:#b3261e;--half:#9a6700}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171c;--fg:#e3e6ea;--soft:#9aa4b2;"
    "--line:#343b45;--box:#1d2228;--mark:#5a2422;--s0:#6cb0ff;--s1:#ff9d5c;--s2:#5fd08c;"
    "--s3:#c6a3ff;--s4:#4fd1d9;--s5:#ff8fb5;--s6:#d8c64a;--s7:#aab4c2;--s8:#d9a27f;"
    "--s9:#91a7ff;--s10:#a9e34b;--s11:#f08be0;--good:#5fd08c;--bad:#ff8a80;--half:#e3b341}}\n"
    "*{box-sizing:border-box}body{margin:0 auto;padding:1.5rem;max-width:72rem;"
    "background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}p{margin:.4rem 0}"
    ".soft{color:var(--soft)}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,"
    "td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid var(--line);"
    "white-space:nowrap}th{font-weight:600}th:first-child,td:first-child{text-align:left}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1rem}"
    "svg{width:100%;height:auto}svg text{fill:var(--soft);font:12px system-ui,sans-serif}"
    "figure{margin:0}figcaption{font-size:.95rem}.grid{stroke:var(--line)}.line{fill:none;"
    "stroke-width:2.2;stroke-linejoin:round}.faint{opacity:.28;stroke-width:1.2}"
    ".dash1{stroke-dasharray:7 4}.dash2{stroke-dasharray:2 4}.band{opacity:.13;stroke:none}\n"
    ".s0{--c:var(--s0)}.s1{--c:var(--s1)}.s2{--c:var(--s2)}.s3{--c:var(--s3)}"
    ".s4{--c:var(--s4)}.s5{--c:var(--s5)}.s6{--c:var(--s6)}.s7{--c:var(--s7)}"
    ".s8{--c:var(--s8)}.s9{--c:var(--s9)}.s10{--c:var(--s10)}.s11{--c:var(--s11)}"
    ".s12{--c:var(--soft)}.line{stroke:var(--c)}.dot,.band{fill:var(--c)}\n"
    ".half{grid-template-columns:repeat(auto-fill,minmax(min(26rem,100%),1fr))}"
    ".runs{list-style:none;padding:.4rem 0;display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;"
    "position:sticky;top:0;max-height:30vh;overflow-y:auto;background:var(--bg)}.key{width:22px;"
    "height:8px;"
    "vertical-align:middle}pre.table{white-space:pre;overflow-wrap:normal;width:max-content}\n"
    "details{border:1px solid var(--line);border-radius:6px;margin:.35rem 0;padding:0 .7rem;"
    "content-visibility:auto;contain-intrinsic-size:auto 2.4rem}summary{cursor:pointer;"
    "padding:.4rem 0}details[open]{padding-bottom:.6rem}\n"
    "summary:focus-visible{outline:2px solid var(--s0);outline-offset:2px}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--box);padding:.6rem;"
    "border-radius:4px;margin:.3rem 0;font:14px/1.45 ui-monospace,monospace}"
    "mark{background:var(--mark);color:inherit}.pair{display:grid;gap:.6rem;"
    "grid-template-columns:repeat(auto-fit,minmax(18rem,1fr))}h4{margin:.7rem 0 .1rem;"
    "font-size:.95rem}h5{margin:.3rem 0 0;font-size:.85rem;color:var(--soft);font-weight:600}\n"
    ".v0{color:var(--bad)}.v1{color:var(--half)}.v2{color:var(--good)}ul{margin:.2rem 0;"
    "padding-left:1.2rem}@media print{details{border:0}}\n";

int el_page_text(struct el_buf *out, const char *s)
{
    return el_html_escape(out, s, strlen(s));
}

int el_page_begin(struct el_buf *out, const char *title)
{
    int rc = el_buf_puts(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                              "<meta name=\"viewport\" content=\"width=device-width, "
                              "initial-scale=1\"><meta name=\"color-scheme\" content=\"light "
                              "dark\"><title>");
    if (rc == 0)
        rc = el_page_text(out, title);
    return rc == 0
               ? el_buf_printf(out, " - Elenchus</title><style>\n%s</style></head><body>\n", style)
               : rc;
}

int el_page_end(struct el_buf *out)
{
    return el_buf_puts(out, "</body></html>\n");
}
