# What scripts do: words counted by a regular expression, sorting, JSON, and calls.
import json
import re

def numbers(seed):
    while True:
        seed = (seed * 75 + 74) % 65537
        yield seed >> 4

source = numbers(1)
words = ["".join("abcdefgh"[next(source) % 8] for _ in range(2 + next(source) % 5)) for _ in range(60000)]
count = {}
for word in re.findall(r"[a-h]+", " ".join(words)):
    count[word] = count.get(word, 0) + 1
top = sorted(count.items(), key=lambda item: (-item[1], item[0]))[:2000]
text = json.dumps(dict(top))
back = json.loads(text)

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

print(fib(22), len(count), sum(back.values()), len(text))
