#compdef sconce
# Completes command lines of sconce. Made by `sconce completions zsh`.
_sconce() {
    local -a answer described
    local line files
    # Up to the cursor; in the last word what is before it.
    answer=("${(@f)$("${words[1]/#\~\//$HOME/}" __complete "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
    # Which files, and how much of the word is before what is completed.
    files=${answer[1]:-files 0}
    compset -p ${files#* }
    for line in "${(@)answer[2,-1]}"; do
        described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    local found=1
    (( $#described )) && _describe sconce described && found=0
    case ${files% *} in
        files) _files && found=0 ;;
        directories) _files -/ && found=0 ;;
    esac
    return found
}
if [ "$funcstack[1]" = "_sconce" ]; then
    _sconce "$@"
else
    compdef _sconce sconce
fi
