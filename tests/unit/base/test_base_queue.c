#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bounded_queue.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/histogram.h"
#include "base/sha256.h"

Test(bounded_queue, keeps_order_and_refuses_when_full_or_closed) {
    struct ferry_bounded_queue *queue = NULL;
    int entries[5] = {0};
    cr_assert_eq(ferry_bounded_queue_create(3, &queue), FERRY_OK);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 3; i++)
            cr_assert(ferry_bounded_queue_push(queue, &entries[i]));
        cr_assert_not(ferry_bounded_queue_push(queue, &entries[3]));
        for (int i = 0; i < 3; i++)
            cr_assert_eq(ferry_bounded_queue_pop(queue), &entries[i]);
        cr_assert_null(ferry_bounded_queue_try_pop(queue));
    }
    cr_assert(ferry_bounded_queue_push(queue, &entries[4]));
    ferry_bounded_queue_close(queue);
    cr_assert_not(ferry_bounded_queue_push(queue, &entries[0]));
    cr_assert_eq(ferry_bounded_queue_pop(queue), &entries[4]);
    cr_assert_null(ferry_bounded_queue_pop(queue));
    ferry_bounded_queue_free(queue);
}

enum { HANDED_OVER = 20000, THREADS = 4 };

struct hand_over {
    struct ferry_bounded_queue *queue;
    atomic_int taken[HANDED_OVER];
};

static void *take_entries(void *argument) {
    struct hand_over *shared = argument;
    atomic_int *entry;
    while ((entry = ferry_bounded_queue_pop(shared->queue)) != NULL)
        atomic_fetch_add(entry, 1);
    return NULL;
}

Test(bounded_queue, hands_every_entry_to_exactly_one_thread) {
    static struct hand_over shared;
    pthread_t threads[THREADS];
    cr_assert_eq(ferry_bounded_queue_create(64, &shared.queue), FERRY_OK);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, take_entries, &shared);
    for (int i = 0; i < HANDED_OVER;)
        i += ferry_bounded_queue_push(shared.queue, &shared.taken[i]);
    ferry_bounded_queue_close(shared.queue);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < HANDED_OVER; i++)
        cr_assert_eq(atomic_load(&shared.taken[i]), 1);
    ferry_bounded_queue_free(shared.queue);
}

Test(histogram, percentiles_are_within_a_sixteenth) {
    static struct ferry_histogram histogram;
    cr_assert_eq(ferry_histogram_at(&histogram, 500), 0);
    for (uint64_t value = 1; value <= 100000; value++)
        ferry_histogram_add(&histogram, value);
    cr_assert_eq(histogram.count, 100000);
    cr_assert_eq(histogram.sum, UINT64_C(5000050000));
    for (unsigned permille = 1; permille <= 1000; permille++) {
        uint64_t exact = (uint64_t)permille * 100;
        uint64_t told = ferry_histogram_at(&histogram, permille);
        cr_assert(told >= exact && told <= exact + exact / 16, "%u: %llu", permille,
                  (unsigned long long)told);
    }
    cr_assert_eq(ferry_histogram_at(&histogram, 1000), 100000);
}

Test(histogram, holds_every_64_bit_value) {
    for (unsigned bit = 0; bit < 64; bit++) {
        static struct ferry_histogram histogram;
        memset(&histogram, 0, sizeof histogram);
        uint64_t value = (UINT64_C(1) << bit) + (bit > 6 ? UINT64_C(3) << (bit - 6) : 0);
        ferry_histogram_add(&histogram, value);
        cr_assert_eq(ferry_histogram_at(&histogram, 500), value, "bit %u", bit);
    }
    static struct ferry_histogram largest;
    ferry_histogram_add(&largest, UINT64_MAX);
    cr_assert_eq(ferry_histogram_at(&largest, 1), UINT64_MAX);
}

Test(hash, depends_on_every_byte_on_the_size_and_on_the_seed) {
    unsigned char bytes[40] = {0};
    for (size_t size = 0; size < sizeof bytes; size++) {
        uint64_t before = ferry_hash(bytes, size, 1);
        cr_assert_neq(before, ferry_hash(bytes, size + 1, 1));
        cr_assert_neq(before, ferry_hash(bytes, size, 2));
        for (size_t at = 0; at < size; at++) {
            bytes[at] = 1;
            cr_assert_neq(before, ferry_hash(bytes, size, 1), "size %zu, byte %zu", size, at);
            bytes[at] = 0;
        }
        cr_assert_eq(before, ferry_hash(bytes, size, 1));
    }
    cr_assert_neq(ferry_hash_random_seed(), ferry_hash_random_seed());
}

Test(hash, spreads_numbers_over_a_small_table) {
    unsigned counts[64] = {0};
    for (uint64_t number = 0; number < 64000; number++)
        counts[ferry_hash(&number, sizeof number, 7) & 63]++;
    for (int i = 0; i < 64; i++)
        cr_assert(counts[i] > 800 && counts[i] < 1200, "slot %d has %u", i, counts[i]);
}

/* The examples of FIPS 180-2, appendix B. */
Test(sha256, gives_the_digests_of_the_standard) {
    char text[FERRY_SHA256_TEXT_BYTES];
    ferry_sha256_text("abc", 3, text);
    cr_assert_str_eq(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *longer = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    ferry_sha256_text(longer, strlen(longer), text);
    cr_assert_str_eq(text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    cr_assert(ferry_sha256_text_is_valid(text));
    text[3] = 'G';
    cr_assert_not(ferry_sha256_text_is_valid(text));
    cr_assert_not(ferry_sha256_text_is_valid("abc"));
}

Test(file, is_read_whole_and_never_beyond_the_maximum) {
    char path[] = "/tmp/ferry-test-file-XXXXXX";
    int file = mkstemp(path);
    cr_assert_geq(file, 0);
    cr_assert_eq(write(file, "hello\0world", 11), 11);
    close(file);
    struct ferry_error error;
    struct ferry_buffer buffer;
    ferry_buffer_init(&buffer, 100);
    cr_assert_eq(ferry_file_read(path, &buffer, &error), FERRY_OK);
    cr_assert_eq(buffer.size, 11);
    cr_assert_arr_eq(buffer.data, "hello\0world", 12);
    ferry_buffer_free(&buffer);
    ferry_buffer_init(&buffer, 10);
    cr_assert_eq(ferry_file_read(path, &buffer, &error), FERRY_TOO_LARGE);
    cr_assert_not_null(strstr(error.text, path));
    ferry_buffer_free(&buffer);
    unlink(path);
    cr_assert_eq(ferry_file_read(path, &buffer, &error), FERRY_NO_INPUT);
    cr_assert_eq(ferry_file_read("/tmp", &buffer, &error), FERRY_NO_INPUT);
    cr_assert_eq(ferry_file_read("/dev/zero", &buffer, &error), FERRY_NO_INPUT);
    ferry_buffer_free(&buffer);
}
