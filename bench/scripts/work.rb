# What scripts do: words counted by a regular expression, sorting, and calls.
$seed = 1
def next_number
  $seed = ($seed * 75 + 74) % 65537
  $seed >> 4
end
words = Array.new(60000) { (0...(2 + next_number % 5)).map { "abcdefgh"[next_number % 8] }.join }
count = Hash.new(0)
words.join(" ").scan(/[a-h]+/) { |word| count[word] += 1 }
top = count.sort_by { |word, n| [-n, word] }.first(2000)
text = top.map { |word, n| "#{word}=#{n}" }.join("&")
back = text.split("&").map { |pair| pair.split("=") }.to_h
def fib(n)
  n < 2 ? n : fib(n - 1) + fib(n - 2)
end
puts "#{fib(23)} #{count.size} #{back.values.sum(&:to_i)} #{text.size}"
