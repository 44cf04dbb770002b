// Double arithmetic: planets by symplectic steps, and the Mandelbrot set.
#include <math.h>
#include <stdio.h>

enum { BODIES = 5 };
static double place[BODIES][3], speed[BODIES][3], mass[BODIES] = {39.47, 0.03769, 0.01128, 0.001723, 0.002033};

static void step(double dt) {
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            double d[3], square = 0;
            for (int k = 0; k < 3; k++) {
                d[k] = place[i][k] - place[j][k];
                square += d[k] * d[k];
            }
            double pull = dt / (square * sqrt(square));
            for (int k = 0; k < 3; k++) {
                speed[i][k] -= d[k] * mass[j] * pull;
                speed[j][k] += d[k] * mass[i] * pull;
            }
        }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++) place[i][k] += dt * speed[i][k];
}

int main(void) {
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++) {
            place[i][k] = i * 5.2 + k * 1.16 - (k == 1) * i;
            speed[i][k] = i ? 0.6 / (i + k + 1) : 0;
        }
    for (int i = 0; i < 9000000; i++) step(0.001);
    long inside = 0;
    for (int y = 0; y < 700; y++)
        for (int x = 0; x < 700; x++) {
            double cr = x * 3.0 / 700 - 2.0, ci = y * 2.4 / 700 - 1.2, zr = 0, zi = 0;
            int n = 0;
            while (n < 1200 && zr * zr + zi * zi < 4.0) {
                double t = zr * zr - zi * zi + cr;
                zi = 2 * zr * zi + ci;
                zr = t;
                n++;
            }
            inside += n;
        }
    printf("%.6f %ld\n", place[0][0], inside);
    return 0;
}
