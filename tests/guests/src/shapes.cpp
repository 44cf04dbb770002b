// Virtual calls, templates and namespaces: table entries by type, and names that need demangling in a backtrace.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace shapes {
struct Shape {
    virtual ~Shape() = default;
    virtual double area(const std::string &unit) const = 0;
};
struct Square : Shape {
    double side;
    explicit Square(double s) : side(s) {}
    [[gnu::noinline]] double area(const std::string &) const override { return side * side; }
};
struct Broken : Shape {
    [[gnu::noinline]] double area(const std::string &unit) const override {
        std::printf("broken %s\n", unit.c_str());
        std::fflush(stdout);
        __builtin_trap();
    }
};
template <typename T> [[gnu::noinline]] double total(const std::vector<std::unique_ptr<T>> &all, const std::string &unit) {
    double sum = 0;
    for (const auto &one : all) sum += one->area(unit);
    return sum;
}
} // namespace shapes

int main(int argc, char **argv) {
    std::vector<std::unique_ptr<shapes::Shape>> all;
    for (int i = 1; i <= 4; i++) all.push_back(std::make_unique<shapes::Square>(i));
    std::printf("total %g\n", shapes::total(all, "m2"));
    if (argc > 1) all.push_back(std::make_unique<shapes::Broken>());
    std::printf("total %g\n", shapes::total(all, "acre"));
    return 0;
}
