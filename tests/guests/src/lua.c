// Lua, whose errors are long jumps: out of nested calls, metamethods, coroutines and the interpreter's own C functions; and a
// protected call in a loop. The script checks itself and prints what it counted.
#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"
#include <setjmp.h>
#include <stdio.h>

static const char script[] =
    "local function fail(n) if n == 0 then error('deep', 0) end return fail(n - 1) + 1 end\n"
    "local ok, message = pcall(fail, 50)\n"
    "assert(not ok and message == 'deep')\n"
    // Errors of the interpreter: arithmetic on nil, calling a number, a C function's arguments.
    "assert(not pcall(function() return nil + 1 end))\n"
    "assert(not pcall(function() return (5)() end))\n"
    "assert(not pcall(string.rep))\n"
    "assert(select(2, pcall(error, {7}))[1] == 7)\n"
    // Errors cross protected calls that pass them on, and close what has to be closed.
    "local closed = 0\n"
    "local closer = setmetatable({}, {__close = function() closed = closed + 1 end})\n"
    "local function guard(n) local c <close> = closer if n == 0 then error('x', 0) end guard(n - 1) end\n"
    "assert(select(2, pcall(guard, 9)) == 'x' and closed == 10)\n"
    "local handled = xpcall(fail, function(m) return m .. '!' end, 3)\n"
    "assert(not handled)\n"
    // Coroutines: errors inside, yields across protected calls.
    "local co = coroutine.create(function() local _, e = pcall(function() coroutine.yield(1) error('late', 0) end) return e end)\n"
    "assert(select(2, coroutine.resume(co)) == 1)\n"
    "assert(select(2, coroutine.resume(co)) == 'late')\n"
    // Exhausted recursion is an error like others.
    "local function forever() return 1 + forever() end\n"
    "assert(not pcall(forever))\n"
    "local caught = 0\n"
    "for i = 1, 100000 do if not pcall(error) then caught = caught + 1 end end\n"
    "return string.format('%d caught, %d closed', caught, closed)\n";

static jmp_buf place;

static void jump(int depth) {
    if (depth == 0) longjmp(place, 42);
    jump(depth - 1);
    puts("not reached");
}

int main(void) {
    volatile int before = 7;
    int value = setjmp(place);
    if (value == 0) {
        before = 8;
        jump(10);
    }
    printf("long jump: %d, %d\n", value, before);
    lua_State *state = luaL_newstate();
    luaL_requiref(state, "_G", luaopen_base, 1);
    luaL_requiref(state, "string", luaopen_string, 1);
    luaL_requiref(state, "coroutine", luaopen_coroutine, 1);
    lua_settop(state, 0);
    if (luaL_loadbufferx(state, script, sizeof script - 1, "=script", "t") || lua_pcall(state, 0, 1, 0)) {
        printf("failed: %s\n", lua_tostring(state, -1));
        return 1;
    }
    puts(lua_tostring(state, -1));
    // Without a protected call Lua gives up.
    lua_close(state);
    return 0;
}
