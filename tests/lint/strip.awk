# C source as "file:line: code", with comments and the contents of string literals left out, so that
# a search finds code and nothing else. Give -v strings=1 to keep the strings.
function emit() {
    if (code ~ /[^ \t]/)
        print FILENAME ":" FNR ": " code
}
FNR == 1 { comment = 0 }
{
    line = $0
    code = ""
    while (line != "") {
        if (comment) {
            end = index(line, "*/")
            if (!end)
                break
            line = substr(line, end + 2)
            comment = 0
            code = code " "
        } else if (match(line, /"|'|\/\*|\/\//)) {
            what = substr(line, RSTART, 1) == "/" ? substr(line, RSTART, 2) : substr(line, RSTART, 1)
            code = code substr(line, 1, RSTART - 1)
            line = substr(line, RSTART + length(what))
            if (what == "//")
                break
            if (what == "/*") {
                comment = 1
                continue
            }
            # The literal ends at the next quote that no backslash precedes.
            body = ""
            while (line != "" && substr(line, 1, 1) != what) {
                n = substr(line, 1, 1) == "\\" ? 2 : 1
                body = body substr(line, 1, n)
                line = substr(line, n + 1)
            }
            line = substr(line, 2)
            code = code what (strings ? body : "") what
        } else {
            code = code line
            break
        }
    }
    emit()
}
