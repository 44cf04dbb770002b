# Completes command lines of sconce. Made by `sconce completions bash`.
_sconce() {
    local line=${COMP_LINE:0:COMP_POINT} word part i files
    local -a words=() answer=()
    # Bash divides words at `=` and `:`, too: parts with no space between them are one word.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        part=${COMP_WORDS[i]}
        word=${line#"${line%%[![:space:]]*}"}
        ((i == COMP_CWORD)) && part=$word
        if ((i > 0)) && [[ $word == "$line" && -n $line ]]; then
            words[-1]+=$part
        else
            words+=("$part")
        fi
        line=${word#"$part"}
    done
    mapfile -t answer < <("${words[0]/#\~\//$HOME/}" __complete "${words[@]:1}" 2>/dev/null)
    files=${answer[0]:-files}
    files=${files%% *}
    COMPREPLY=()
    for word in "${answer[@]:1}"; do
        COMPREPLY+=("${word%%$'\t'*}")
    done
    # What has no words is left to bash, which knows about quotes and `~`.
    part=${2#[=:]}
    case $files in
    files)
        compopt -o filenames
        if ((${#COMPREPLY[@]})); then
            mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$part")
        else
            compopt -o default
        fi
        ;;
    directories)
        compopt -o filenames
        if ((${#COMPREPLY[@]})); then
            mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$part")
        else
            compopt -o dirnames
        fi
        ;;
    esac
}
complete -F _sconce sconce
