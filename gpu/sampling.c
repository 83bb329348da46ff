#include "gpu/sampling.h"

#include "gpu/philox.h"
#include "gpu/row_passes.h"

/* The tokens that are still in play: candidate i has scores[i] and weights[i] of the scratch and
 * the id ids[i], or i where no id has been dropped yet. Ids ascend. */
struct candidates {
    struct ferry_row_scratch *scratch;
    uint32_t count;
    bool have_ids;
    float most;     /* the largest score */
    float heaviest; /* its weight */
    double total;   /* of the weights */
};

static float penalised(float logit, float penalty) {
    return logit < 0 ? logit * penalty : logit / penalty;
}

/* Adding 0 turns -0 into 0: they are equal, and so must be their keys. */
FERRY_BEST_OF_VARIANTS
static void scale(const float *restrict logits, uint32_t count, float temperature,
                  float *restrict scores) {
    for (uint32_t id = 0; id < count; id++)
        scores[id] = logits[id] / temperature + 0.0f;
}

/* Each from the model's own logit, so an id that occurs twice is penalised once. */
static void apply_history(const struct ferry_choice *choice, float temperature, float *scores) {
    const float penalty = choice->sampling->repetition_penalty;
    if (penalty != 1.0f)
        for (uint32_t at = 0; at < choice->length; at++) {
            uint32_t id = (uint32_t)choice->ids[at];
            if (id < choice->vocabulary)
                scores[id] = penalised(choice->logits[id], penalty) / temperature + 0.0f;
        }
    for (uint32_t at = 0; at < choice->forbidden_count; at++)
        if ((uint32_t)choice->forbidden[at] < choice->vocabulary)
            scores[choice->forbidden[at]] = -INFINITY;
}

static struct ferry_row_range fill_scores(struct ferry_row_scratch *scratch,
                                          const struct ferry_choice *choice, float temperature) {
    scale(choice->logits, choice->vocabulary, temperature, scratch->scores);
    apply_history(choice, temperature, scratch->scores);
    return ferry_row_scan(scratch, scratch->scores, choice->vocabulary);
}

static bool changes_logits(const struct ferry_choice *choice) {
    return choice->sampling->repetition_penalty != 1.0f || choice->forbidden_count > 0;
}

/* `best` is that of the model's own row. */
static int32_t choose_greedily(struct ferry_row_scratch *scratch, const struct ferry_choice *choice,
                               int32_t best) {
    if (!changes_logits(choice))
        return best;
    struct ferry_row_range range = fill_scores(scratch, choice, 1.0f);
    if (range.most <= ferry_row_key(-INFINITY))
        return -1; /* all that was possible is forbidden */
    return (int32_t)ferry_row_first(scratch, scratch->scores, choice->vocabulary,
                                    ferry_row_number(range.most));
}

static void keep_top_k(struct candidates *candidates, uint32_t top_k) {
    if (top_k == 0 || top_k >= candidates->count)
        return;
    struct ferry_row_scratch *scratch = candidates->scratch;
    candidates->count = ferry_row_select(scratch, scratch->scores, candidates->count, top_k);
    for (uint32_t at = 0; at < candidates->count; at++)
        scratch->scores[at] = scratch->scores[scratch->ids[at]];
    candidates->have_ids = true;
}

/* How far a score lies below the largest, in steps of 1/32; everything from 32 on shares the last
 * bin. Numbers of equal bins follow one another in a row, so they are added up in turns: an
 * addition need not wait for the one before. */
enum { TOP_P_BINS = 1024, TOP_P_TURNS = 4 };

FERRY_BEST_OF_VARIANTS
static void find_bins(const float *restrict scores, uint32_t count, float most,
                      int32_t *restrict bins) {
    for (uint32_t at = 0; at < count; at++) {
        float steps = (most - scores[at]) * 32.0f;
        bins[at] = (int32_t)(steps < TOP_P_BINS - 1 ? steps : TOP_P_BINS - 1);
    }
}

/* Weights become probabilities. */
FERRY_BEST_OF_VARIANTS
static void normalise(struct candidates *candidates) {
    float *restrict weights = candidates->scratch->weights;
    const uint32_t count = candidates->count;
    const float total = (float)candidates->total;
    for (uint32_t at = 0; at < count; at++)
        weights[at] /= total;
    candidates->heaviest /= total;
}

static void fill_bins(const struct candidates *candidates, double *masses) {
    const float *restrict weights = candidates->scratch->weights;
    const int32_t *restrict bins = candidates->scratch->keys;
    const uint32_t count = candidates->count;
    double turns[TOP_P_TURNS][TOP_P_BINS] = {0};
    uint32_t at = 0;
    for (; at + TOP_P_TURNS <= count; at += TOP_P_TURNS)
        for (uint32_t turn = 0; turn < TOP_P_TURNS; turn++)
            turns[turn][bins[at + turn]] += (double)weights[at + turn];
    for (; at < count; at++)
        turns[0][bins[at]] += (double)weights[at];
    for (uint32_t bin = 0; bin < TOP_P_BINS; bin++)
        masses[bin] = turns[0][bin] + turns[1][bin] + turns[2][bin] + turns[3][bin];
}

struct boundary {
    float score;    /* candidates above stay */
    uint32_t first; /* ... and those with an equal score from this one on */
};

enum { BIN_GROUP = 32 };

static inline bool group_has(const int32_t *bins, int32_t bin) {
    int32_t found = 0;
    for (uint32_t at = 0; at < BIN_GROUP; at++)
        found |= bins[at] == bin;
    return found != 0;
}

/* Most groups have no candidate of the bin: they are passed over as a whole. What lies behind the
 * last candidate, up to a whole block, may be looked at but is not taken. */
FERRY_BEST_OF_VARIANTS
static uint32_t collect_bin(const struct candidates *candidates, int32_t bin) {
    const float *restrict scores = candidates->scratch->scores;
    const int32_t *restrict bins = candidates->scratch->keys;
    uint64_t *restrict pairs = candidates->scratch->pairs;
    const uint32_t count = candidates->count;
    uint32_t collected = 0;
    for (uint32_t first = 0; first < count; first += BIN_GROUP) {
        if (!group_has(bins + first, bin))
            continue;
        const uint32_t end = count - first < BIN_GROUP ? count : first + BIN_GROUP;
        for (uint32_t at = first; at < end; at++) {
            uint32_t key = (uint32_t)ferry_row_key(scores[at]) ^ UINT32_C(0x80000000);
            pairs[collected] = (uint64_t)key << 32 | at;
            collected += bins[at] == bin;
        }
    }
    return collected;
}

/* Walks up from the least probable, as the definition does: a token goes while the sum up to and
 * with it, as a float32, is at most 1 - top_p. The bins spare the sort of all but one of them. */
static struct boundary find_boundary(const struct candidates *candidates, float top_p) {
    const float dropped = (float)(1.0 - (double)top_p);
    struct ferry_row_scratch *scratch = candidates->scratch;
    double masses[TOP_P_BINS];
    find_bins(scratch->scores, candidates->count, candidates->most, scratch->keys);
    fill_bins(candidates, masses);
    double below = 0;
    int32_t bin = TOP_P_BINS - 1;
    while (bin > 0 && (float)(below + masses[bin]) <= dropped)
        below += masses[bin--];
    uint32_t count = collect_bin(candidates, bin);
    ferry_row_sort(scratch, count);
    uint32_t at = 0;
    for (; at + 1 < count; at++) {
        below += (double)scratch->weights[(uint32_t)scratch->pairs[at]];
        if ((float)below > dropped)
            break;
    }
    uint32_t first = (uint32_t)scratch->pairs[at];
    return (struct boundary){scratch->scores[first], first};
}

FERRY_BEST_OF_VARIANTS
static void drop_below(struct candidates *candidates, struct boundary boundary) {
    const float *restrict scores = candidates->scratch->scores;
    float *restrict weights = candidates->scratch->weights;
    const uint32_t count = candidates->count;
    for (uint32_t at = 0; at < count; at++) {
        int stays = (scores[at] > boundary.score) |
                    ((scores[at] == boundary.score) & (at >= boundary.first));
        weights[at] = stays ? weights[at] : 0;
    }
    candidates->total = ferry_row_sum(candidates->scratch, candidates->count);
}

static void keep_top_p(struct candidates *candidates, float top_p) {
    if (top_p >= 1.0f)
        return;
    normalise(candidates);
    drop_below(candidates, find_boundary(candidates, top_p));
}

FERRY_BEST_OF_VARIANTS
static void keep_min_p(struct candidates *candidates, float min_p) {
    if (min_p <= 0)
        return;
    float *restrict weights = candidates->scratch->weights;
    const uint32_t count = candidates->count;
    const float total = (float)candidates->total;
    const float least = min_p * (candidates->heaviest / total);
    for (uint32_t at = 0; at < count; at++)
        weights[at] = weights[at] / total < least ? 0 : weights[at];
    candidates->total = ferry_row_sum(candidates->scratch, candidates->count);
}

/* False: the temperature is too small to divide by, or nothing is left. */
static bool filter(struct ferry_row_scratch *scratch, const struct ferry_choice *choice,
                   struct candidates *candidates) {
    const struct ferry_sampling *sampling = choice->sampling;
    struct ferry_row_range range = fill_scores(scratch, choice, sampling->temperature);
    if (!ferry_row_is_usable(range))
        return false;
    *candidates = (struct candidates){.scratch = scratch,
                                      .count = choice->vocabulary,
                                      .most = ferry_row_number(range.most),
                                      .heaviest = 1.0f};
    keep_top_k(candidates, sampling->top_k);
    candidates->total = ferry_row_exponentials(scratch, candidates->count, candidates->most);
    keep_top_p(candidates, sampling->top_p);
    keep_min_p(candidates, sampling->min_p);
    return true;
}

static int32_t id_of(const struct candidates *candidates, uint32_t at) {
    return candidates->have_ids ? candidates->scratch->ids[at] : (int32_t)at;
}

/* The candidate in whose share of [0, total) the target lies. Rounding may leave the target behind
 * the last share of its block or of all: the last token that has a share takes it. */
static uint32_t find_share(const struct candidates *candidates, double target) {
    const struct ferry_row_scratch *scratch = candidates->scratch;
    const uint32_t blocks = ferry_row_blocks(candidates->count);
    double sum = 0;
    double before = 0;
    uint32_t first = 0;
    for (uint32_t block = 0; block < blocks && sum <= target; block++) {
        if (scratch->block_sums[block] <= 0)
            continue;
        first = block * FERRY_ROW_BLOCK;
        before = sum;
        sum += scratch->block_sums[block];
    }
    uint32_t chosen = first;
    sum = before;
    for (uint32_t at = first; at < first + FERRY_ROW_BLOCK; at++) {
        if (scratch->weights[at] <= 0)
            continue;
        chosen = at;
        sum += (double)scratch->weights[at];
        if (sum > target)
            break;
    }
    return chosen;
}

int32_t ferry_sample(struct ferry_row_scratch *scratch, const struct ferry_choice *choice) {
    struct candidates candidates;
    int32_t best = ferry_row_best(scratch, choice->logits, choice->vocabulary);
    if (best < 0)
        return -1;
    if (choice->sampling->temperature <= 0 || !filter(scratch, choice, &candidates))
        return choose_greedily(scratch, choice, best);
    double drawn = ferry_philox_uniform(choice->sampling->seed, choice->length);
    return id_of(&candidates, find_share(&candidates, drawn * candidates.total));
}

bool ferry_sampling_distribution(struct ferry_row_scratch *scratch,
                                 const struct ferry_choice *choice, double *probabilities) {
    struct candidates candidates;
    memset(probabilities, 0, choice->vocabulary * sizeof *probabilities);
    int32_t best = ferry_row_best(scratch, choice->logits, choice->vocabulary);
    if (best >= 0 && choice->sampling->temperature > 0 && filter(scratch, choice, &candidates)) {
        for (uint32_t at = 0; at < candidates.count; at++)
            probabilities[id_of(&candidates, at)] = (double)scratch->weights[at] / candidates.total;
        return true;
    }
    if (best >= 0)
        best = choose_greedily(scratch, choice, best);
    if (best >= 0)
        probabilities[best] = 1;
    return best >= 0;
}
