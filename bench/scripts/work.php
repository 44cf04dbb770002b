<?php
// What scripts do: words counted by a regular expression, sorting, JSON, and calls.
$seed = 1;
function next_number() {
    global $seed;
    $seed = ($seed * 75 + 74) % 65537;
    return $seed >> 4;
}
$words = [];
for ($i = 0; $i < 200000; $i++) {
    $word = "";
    for ($n = 2 + next_number() % 5; $n > 0; $n--) {
        $word .= "abcdefgh"[next_number() % 8];
    }
    $words[] = $word;
}
preg_match_all("/[a-h]+/", implode(" ", $words), $found);
$count = array_count_values($found[0]);
uksort($count, fn($a, $b) => $count[$b] <=> $count[$a] ?: strcmp($a, $b));
$top = array_slice($count, 0, 2000, true);
$text = json_encode($top);
$back = json_decode($text, true);
function fib($n) {
    return $n < 2 ? $n : fib($n - 1) + fib($n - 2);
}
echo fib(25), " ", count($count), " ", array_sum($back), " ", strlen($text), "\n";
