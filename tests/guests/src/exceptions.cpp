// C++ exceptions: destructors on the way, clauses by type and base class, rethrown ones, ones inside handlers, in loops, across
// virtual calls and algorithms of the library, and values that are objects.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

static int alive = 0;

struct Counted {
    Counted() { ++alive; }
    Counted(const Counted &) { ++alive; }
    ~Counted() { --alive; }
};

struct Wrong : std::runtime_error {
    Counted counted;
    int code;
    Wrong(int code) : std::runtime_error("wrong " + std::to_string(code)), code(code) {}
};

struct Shape {
    virtual double area() const = 0;
    virtual ~Shape() = default;
};

struct Broken : Shape {
    Counted counted;
    double area() const override { throw Wrong(3); }
};

static int descend(int depth) {
    Counted here;
    if (depth == 0) throw Wrong(1);
    return descend(depth - 1) + depth;
}

static int passed_on(int depth) {
    try {
        return descend(depth);
    } catch (const std::exception &e) {
        Counted here;
        std::printf("passing on: %s\n", e.what());
        throw;
    }
}

static const char *kind(int what) {
    try {
        switch (what) {
            case 0: throw 1;
            case 1: throw 2.5;
            case 2: throw std::string("text");
            case 3: throw std::out_of_range("range");
            case 4: throw Wrong(4);
            case 5: throw what;
            default: throw static_cast<const void *>(&alive);
        }
    } catch (int) {
        return "int";
    } catch (double) {
        return "double";
    } catch (const std::string &) {
        return "string";
    } catch (const std::logic_error &) {
        return "logic_error";
    } catch (const std::exception &) {
        return "exception";
    } catch (...) {
        return "something";
    }
}

int main() {
    try {
        passed_on(20);
    } catch (const Wrong &e) {
        std::printf("caught %s, code %d, alive %d\n", e.what(), e.code, alive);
    }
    std::printf("alive %d\n", alive);
    for (int what = 0; what < 7; ++what) std::printf("%d: %s\n", what, kind(what));

    std::vector<std::unique_ptr<Shape>> shapes;
    for (int i = 0; i < 5; ++i) shapes.push_back(std::make_unique<Broken>());
    int failures = 0;
    for (const auto &shape : shapes) {
        try {
            shape->area();
        } catch (const Wrong &) {
            ++failures;
            try {
                throw failures;
            } catch (int n) {
                failures = n;
            }
        }
    }
    shapes.clear();
    std::printf("failures %d, alive %d\n", failures, alive);

    std::vector<int> numbers{5, 3, 9, 1};
    std::function<bool(int, int)> less = [](int a, int b) {
        if (a == 9 || b == 9) throw std::invalid_argument("nine");
        return a < b;
    };
    try {
        std::sort(numbers.begin(), numbers.end(), less);
    } catch (const std::invalid_argument &e) {
        std::printf("sort: %s\n", e.what());
    }
    try {
        std::vector<int>().at(1);
    } catch (const std::out_of_range &) {
        std::puts("at: out of range");
    }

    long sum = 0;
    for (int i = 0; i < 100000; ++i) {
        try {
            if (i % 3 == 0) throw Wrong(i);
            sum += 1;
        } catch (const Wrong &e) {
            sum -= e.code;
        }
    }
    std::printf("sum %ld, alive %d\n", sum, alive);
}
