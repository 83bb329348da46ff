#include <criterion/criterion.h>

#include "ipc/unread_bodies.h"

static struct ferry_unread_bodies unread;

static void set_up(void) {
    ferry_unread_bodies_init(&unread, 100);
}

static void tear_down(void) {
    ferry_unread_bodies_free(&unread);
}

TestSuite(unread_bodies, .init = set_up, .fini = tear_down);

Test(unread_bodies, a_reader_has_room_up_to_the_maximum) {
    struct ferry_unread_body *first = ferry_unread_body_hand_over(&unread, 1, 60);
    cr_assert(ferry_unread_bodies_has_room(&unread, 1, 40));
    cr_assert_not(ferry_unread_bodies_has_room(&unread, 1, 41));
    struct ferry_unread_body *second = ferry_unread_body_hand_over(&unread, 1, 40);
    ferry_unread_body_give_back(first);
    cr_assert(ferry_unread_bodies_has_room(&unread, 1, 60));
    cr_assert_not(ferry_unread_bodies_has_room(&unread, 1, 61));
    ferry_unread_body_give_back(second);
}

Test(unread_bodies, one_body_may_go_however_large) {
    cr_assert(ferry_unread_bodies_has_room(&unread, 1, 1000));
    struct ferry_unread_body *large = ferry_unread_body_hand_over(&unread, 1, 1000);
    cr_assert_not(ferry_unread_bodies_has_room(&unread, 1, 1));
    ferry_unread_body_give_back(large);
    cr_assert(ferry_unread_bodies_has_room(&unread, 1, 1000));
}

Test(unread_bodies, no_reader_is_held_up_by_another) {
    enum { READERS = 5000 }; /* more than slots; libzmq numbers them in the highest byte */
    struct ferry_unread_body *bodies[READERS];
    for (uint64_t i = 0; i < READERS; i++) {
        uint64_t peer = i << 24;
        cr_assert(ferry_unread_bodies_has_room(&unread, peer, 100));
        bodies[i] = ferry_unread_body_hand_over(&unread, peer, 100);
        cr_assert_not(ferry_unread_bodies_has_room(&unread, peer, 1));
    }
    for (uint64_t i = 0; i < READERS; i++)
        ferry_unread_body_give_back(bodies[i]);
    for (uint64_t i = 0; i < READERS; i++)
        cr_assert(ferry_unread_bodies_has_room(&unread, i << 24, 100));
}
