# Shell functions that bring pinned tools into a cache directory, once; sourced by the scripts in ci/ and bench/.

# pip_tools CACHE REQUIREMENTS: a virtual environment CACHE/venv with the packages that the file pins by hash.
pip_tools() {
    local cache=$1 requirements=$2
    local stamp=$cache/venv/$(basename "$requirements").installed
    if ! cmp -s "$requirements" "$stamp"; then
        [ -x "$cache/venv/bin/python" ] || python3 -m venv "$cache/venv"
        "$cache/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$requirements"
        cp "$requirements" "$stamp"
    fi
}

# npm_tools CACHE MANIFESTS: CACHE/node_modules as the package.json and package-lock.json in MANIFESTS say, integrity checked.
npm_tools() {
    local cache=$1 manifests=$2
    if ! cmp -s "$manifests/package-lock.json" "$cache/installed-lock.json"; then
        mkdir -p "$cache"
        cp "$manifests/package.json" "$manifests/package-lock.json" "$cache/"
        npm ci --prefix "$cache" --silent --ignore-scripts --no-audit --no-fund --engine-strict=false
        cp "$manifests/package-lock.json" "$cache/installed-lock.json"
    fi
}
