/* The steps of a tile in one pass over its scores each, where torch takes ten to twenty.

   A tile has r anchors and c keys, row by row. It is added to the sums of its rows, to those of its columns, which are
   the rows of its mirror image, or to both: `first_row` and `first_column` are the places of these anchors among the
   `all` anchors, -1 for a side that is not served. A score of minus infinity is a pair that does not count. Arrays that
   hold several numbers an anchor have the first of all anchors, then the second of all, and so on.

   Loops are short on purpose, with their results in arrays that stay in the nearest cache: a long chain of operations
   waits for itself. */

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef int64_t i64;

/* Rows whose terms are added up before they join the columns' sums: a sum of sums rounds less than one long sum. */
#define STRIP 32
#define INLINE static inline __attribute__((always_inline))

INLINE int32_t bits_of(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE float float_of(int32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* x where the condition (0 or 1) holds, else 0: bits, since compilers turn a choice into masked stores, which are slow. */
INLINE float where(int condition, float x) { return float_of(bits_of(x) & -condition); }

INLINE float larger(float x, float y) { return x > y ? x : y; }
INLINE float smaller(float x, float y) { return x < y ? x : y; }

/* log2(x) for normal x above 0. */
INLINE float log2_of(float x) {
    int32_t bits = bits_of(x) - 0x3f3504f3; /* The mantissa is taken from the root of 1/2 to that of 2. */
    float exponent = (float)(bits >> 23);
    float f = float_of((bits & 0x7fffff) + 0x3f3504f3) - 1.0f, f2 = f * f, f4 = f2 * f2;
    float p01 = 1.44269504088f - 0.72134752044f * f, p23 = 0.48089831581f - 0.36067367355f * f;
    float p45 = 0.28854932005f - 0.24046924134f * f, p67 = 0.20557427320f - 0.17918475605f * f;
    float p89 = 0.16846348174f - 0.16612071192f * f;
    float low = p01 + p23 * f2, high = (p45 + p67 * f2) + f4 * (p89 + 0.10153231271f * f2);
    return exponent + f * (low + f4 * high);
}

/* 2 ** x for x up to 127; 0 where that is below the smallest normal number. */
INLINE float exp2_of(float x) {
    float shifted = x + 12582912.0f; /* 1.5 * 2 ** 23: its last bits are the nearest whole number. */
    float f = x - (shifted - 12582912.0f), f2 = f * f;
    float p12 = 6.931472028550421e-1f + 2.402264791363012e-1f * f;
    float p34 = 5.550332471162809e-2f + 9.618437357674640e-3f * f;
    float p56 = 1.339887440266574e-3f + 1.535336188319500e-4f * f;
    float p = 1.0f + f * (p12 + f2 * (p34 + f2 * p56));
    float power = float_of((int32_t)((uint32_t)bits_of(p) + ((uint32_t)bits_of(shifted) << 23)));
    return where(!(x < -126.0f), power);
}

INLINE void add(float *restrict sums, const float *restrict terms, i64 n) {
    for (i64 j = 0; j < n; j++) sums[j] += terms[j];
}

INLINE void log_shortfalls(const float *restrict s, i64 c, float endpoint, float floor, float *restrict logs) {
#pragma omp simd
    for (i64 j = 0; j < c; j++) logs[j] = log2_of(larger(endpoint - s[j], floor));
}

/* Add up 2 ** score. */
void sum_exponentials(const float *scores, i64 r, i64 c, float *sums, i64 first_row, i64 first_column, float *work) {
    for (i64 start = 0; start < r; start += STRIP) {
        memset(work, 0, c * sizeof(float));
        for (i64 i = start; i < r && i < start + STRIP; i++) {
            const float *restrict s = scores + i * c;
            float *restrict strip = work, sum = 0.0f;
#pragma omp simd reduction(+ : sum)
            for (i64 j = 0; j < c; j++) {
                float power = exp2_of(s[j]);
                sum += power;
                strip[j] += power;
            }
            if (first_row >= 0) sums[first_row + i] += sum;
        }
        if (first_column >= 0) add(sums + first_column, work, c);
    }
}

/* Replace scores by 2 ** score times the factors of the sides that are served. */
void differentiate_exponentials(float *scores, i64 r, i64 c, const float *factors, i64 first_row, i64 first_column,
                                float *work) {
    float *restrict of_columns = work;
    for (i64 j = 0; j < c; j++) of_columns[j] = first_column >= 0 ? factors[first_column + j] : 0.0f;
    for (i64 i = 0; i < r; i++) {
        float *restrict s = scores + i * c;
        float of_row = first_row >= 0 ? factors[first_row + i] : 0.0f;
#pragma omp simd
        for (i64 j = 0; j < c; j++) s[j] = exp2_of(s[j]) * (of_row + of_columns[j]);
    }
}

/* The largest score of every row and of every column. */
static void find_largest(const float *scores, i64 r, i64 c, float *of_rows, float *restrict of_columns) {
    for (i64 j = 0; j < c; j++) of_columns[j] = -INFINITY;
    for (i64 i = 0; i < r; i++) {
        const float *restrict s = scores + i * c;
        float most = -INFINITY;
#pragma omp simd reduction(max : most)
        for (i64 j = 0; j < c; j++) {
            most = larger(s[j], most);
            of_columns[j] = larger(s[j], of_columns[j]);
        }
        of_rows[i] = most;
    }
}

/* Make sums relative to the largest logit so far; what that is relative to takes the place of the largest scores. */
static void rebase(float *largest, i64 n, float endpoint, float floor, const float *slope, const float *power,
                   float *running_max, float *running_sum) {
    for (i64 i = 0; i < n; i++) {
        float top = slope[i] * largest[i] - power[i] * log2_of(larger(endpoint - largest[i], floor));
        if (largest[i] > -INFINITY && top > running_max[i]) {
            running_sum[i] *= exp2_of(running_max[i] - top);
            running_max[i] = top;
        }
        largest[i] = running_max[i] > -INFINITY ? running_max[i] : 0.0f;
    }
}

/* Add to online logsumexps of `slope * s - power * log(endpoint - s)`: largest logits, of base 2, and sums of powers of 2
   relative to them. `numbers` are slopes of base 2 and powers, none below 0, so that logits rise with scores. */
void add_log_sums(const float *scores, i64 r, i64 c, float endpoint, float floor, const float *numbers,
                  float *running_max, float *running_sum, i64 all, i64 first_row, i64 first_column, float *work) {
    float *row_base = work, *restrict column_base = work + r, *restrict strip = column_base + c;
    float *restrict logs = strip + c;
    find_largest(scores, r, c, row_base, column_base);
    if (first_row >= 0)
        rebase(row_base, r, endpoint, floor, numbers + first_row, numbers + all + first_row, running_max + first_row,
               running_sum + first_row);
    if (first_column >= 0)
        rebase(column_base, c, endpoint, floor, numbers + first_column, numbers + all + first_column,
               running_max + first_column, running_sum + first_column);
    for (i64 start = 0; start < r; start += STRIP) {
        memset(strip, 0, c * sizeof(float));
        for (i64 i = start; i < r && i < start + STRIP; i++) {
            const float *restrict s = scores + i * c;
            log_shortfalls(s, c, endpoint, floor, logs);
            if (first_row >= 0) {
                float slope = numbers[first_row + i], power = numbers[all + first_row + i], base = row_base[i];
                float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
                for (i64 j = 0; j < c; j++)
                    sum += where(s[j] != -INFINITY, exp2_of(slope * s[j] - power * logs[j] - base));
                running_sum[first_row + i] += sum;
            }
            if (first_column >= 0) {
                const float *restrict slope = numbers + first_column, *restrict power = slope + all;
#pragma omp simd
                for (i64 j = 0; j < c; j++)
                    strip[j] += where(s[j] != -INFINITY, exp2_of(slope[j] * s[j] - power[j] * logs[j] - column_base[j]));
            }
        }
        if (first_column >= 0) add(running_sum + first_column, strip, c);
    }
}

/* Replace scores by gradients. `numbers` are slopes, powers, what logits are relative to, and what a power of 2 is
   multiplied by, by itself and divided by its shortfall. */
void differentiate_log_sums(float *scores, i64 r, i64 c, float endpoint, float floor, const float *numbers, i64 all,
                            i64 first_row, i64 first_column, float *work) {
    float *restrict logs = work, *restrict inverses = work + c, *restrict gradients = work + 2 * c;
    for (i64 i = 0; i < r; i++) {
        float *restrict s = scores + i * c;
        log_shortfalls(s, c, endpoint, floor, logs);
#pragma omp simd
        for (i64 j = 0; j < c; j++) inverses[j] = where(endpoint - s[j] > floor, 1.0f / (endpoint - s[j]));
        if (first_row >= 0) {
            const float *own = numbers + first_row + i;
            float slope = own[0], power = own[all], base = own[2 * all], factor = own[3 * all], inverse = own[4 * all];
#pragma omp simd
            for (i64 j = 0; j < c; j++)
                gradients[j] = exp2_of(slope * s[j] - power * logs[j] - base) * (factor + inverse * inverses[j]);
        } else {
            memset(gradients, 0, c * sizeof(float));
        }
        if (first_column >= 0) {
            const float *restrict slope = numbers + first_column, *restrict power = slope + all;
            const float *restrict base = power + all, *restrict factor = base + all, *restrict inverse = factor + all;
#pragma omp simd
            for (i64 j = 0; j < c; j++) {
                float share = exp2_of(slope[j] * s[j] - power[j] * logs[j] - base[j]);
                s[j] = where(s[j] != -INFINITY, gradients[j] + share * (factor[j] + inverse[j] * inverses[j]));
            }
        } else {
#pragma omp simd
            for (i64 j = 0; j < c; j++) s[j] = where(s[j] != -INFINITY, gradients[j]);
        }
    }
}

/* Add up what lies below each anchor's own shortfall. `numbers` are these shortfalls and their logarithms of base 2,
   `sums` the exceedances' number, log ratios of base 2, excesses, and the smallest shortfall, in the tail or not. */
void add_exceedances(const float *scores, i64 r, i64 c, float endpoint, float floor, const float *numbers, float *sums,
                     i64 all, i64 first_row, i64 first_column, float *work) {
    float *restrict count = work, *restrict ratio = work + c, *restrict excess = work + 2 * c;
    float *restrict logs = work + 3 * c, *restrict shortfalls = work + 4 * c;
    for (i64 start = 0; start < r; start += STRIP) {
        memset(work, 0, 3 * c * sizeof(float));
        for (i64 i = start; i < r && i < start + STRIP; i++) {
            const float *restrict s = scores + i * c;
            log_shortfalls(s, c, endpoint, floor, logs);
#pragma omp simd
            for (i64 j = 0; j < c; j++) shortfalls[j] = endpoint - s[j];
            if (first_row >= 0) {
                float widest = numbers[first_row + i], log_widest = numbers[all + first_row + i];
                float own_count = 0.0f, own_ratio = 0.0f, own_excess = 0.0f, least = INFINITY;
#pragma omp simd reduction(+ : own_count, own_ratio, own_excess) reduction(min : least)
                for (i64 j = 0; j < c; j++) {
                    int in_tail = (shortfalls[j] > floor) & (shortfalls[j] < widest);
                    own_count += where(in_tail, 1.0f);
                    own_ratio += where(in_tail, larger(log_widest - logs[j], 0.0f));
                    own_excess += where(in_tail, widest - shortfalls[j]);
                    least = smaller(shortfalls[j], least);
                }
                float *own = sums + first_row + i;
                own[0] += own_count, own[all] += own_ratio, own[2 * all] += own_excess;
                own[3 * all] = smaller(least, own[3 * all]);
            }
            if (first_column >= 0) {
                const float *restrict widest = numbers + first_column, *restrict log_widest = widest + all;
                float *restrict least = sums + 3 * all + first_column;
#pragma omp simd
                for (i64 j = 0; j < c; j++) {
                    int in_tail = (shortfalls[j] > floor) & (shortfalls[j] < widest[j]);
                    count[j] += where(in_tail, 1.0f);
                    ratio[j] += where(in_tail, larger(log_widest[j] - logs[j], 0.0f));
                    excess[j] += where(in_tail, widest[j] - shortfalls[j]);
                    least[j] = smaller(shortfalls[j], least[j]);
                }
            }
        }
        for (i64 k = 0; first_column >= 0 && k < 3; k++) add(sums + k * all + first_column, work + k * c, c);
    }
}
