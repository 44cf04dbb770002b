# Completes command lines of sconce. Made by `sconce completions fish`.
function __sconce_complete
    set -l before (commandline -opc)
    set -l word (commandline -ct)
    set -l sconce (string replace -r -- '^~/' "$HOME/" $before[1])
    set -l answer ($sconce __complete $before[2..] "$word" 2>/dev/null)
    # Which files, and how much of the word is before what is completed.
    set -l files (string split ' ' -- "$answer[1]")
    set -l kept (string sub -l $files[2] -- "$word")
    set -l value (string sub -s (math $files[2] + 1) -- "$word")
    for line in $answer[2..]
        echo "$kept$line"
    end
    switch $files[1]
        case files
            for line in (__fish_complete_path "$value")
                echo "$kept$line"
            end
        case directories
            for line in (__fish_complete_directories "$value" '')
                echo "$kept$line"
            end
    end
end
complete -c sconce -f -a '(__sconce_complete)'
