// A Lua that runs one script: objects, closures, strings, tables, garbage. Without the libraries that need an operating system.
#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"
#include <stdio.h>

static const char script[] =
    "local function tree(d) if d == 0 then return {} end return {tree(d - 1), tree(d - 1)} end\n"
    "local function count(t) return t[1] and 1 + count(t[1]) + count(t[2]) or 1 end\n"
    "local total = 0\n"
    "for i = 1, 26 do total = total + count(tree(14)) end\n"
    "local parts = {}\n"
    "for i = 1, 120000 do parts[#parts + 1] = string.format('%d:%s', i, ('x'):rep(i % 7)) end\n"
    "table.sort(parts)\n"
    "local text = table.concat(parts, ',')\n"
    "local digits = 0\n"
    "for d in text:gmatch('%d+') do digits = digits + #d end\n"
    "local sieve, primes = {}, 0\n"
    "for i = 2, 2000000 do if not sieve[i] then primes = primes + 1 for j = i * i, 2000000, i do sieve[j] = true end end end\n"
    "local x = 0.5\n"
    "for i = 1, 8000000 do x = 3.9 * x * (1 - x) end\n"
    "return string.format('%d %d %d %d %.6f', total, #text, digits, primes, x)\n";

int main(void) {
    lua_State *state = luaL_newstate();
    luaL_requiref(state, "_G", luaopen_base, 1);
    luaL_requiref(state, "string", luaopen_string, 1);
    luaL_requiref(state, "table", luaopen_table, 1);
    luaL_requiref(state, "math", luaopen_math, 1);
    lua_settop(state, 0);
    if (luaL_loadbufferx(state, script, sizeof script - 1, "=bench", "t")) return 1;
    lua_call(state, 0, 1);
    puts(lua_tostring(state, -1));
    return 0;
}
