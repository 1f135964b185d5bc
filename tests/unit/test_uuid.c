/* Ids: texts both ways, versions 4 and 5, random numbers. */
#include "unit.h"

#include "base/uuid.h"

#include <pthread.h>

#define TEXT "0189ab3c-def0-7123-8456-fedcba987654"

static struct uuid parsed(const char *text) {
    struct uuid u;
    CHECK(uuid_from_text(str_c(text), &u));
    return u;
}

static bool formats_as(const struct uuid *u, const char *text) {
    char out[UUID_TEXT_LEN];
    uuid_format(u, out);
    return memcmp(out, text, UUID_TEXT_LEN) == 0;
}

TEST(every_accepted_form_means_the_same_id) {
    static const char *const forms[] = {
        TEXT,
        "0189AB3C-DEF0-7123-8456-FEDCBA987654",
        "0189ab3CDEF071238456fedcba987654",
        "{" TEXT "}",
        "{0189ab3cdef071238456fedcba987654}",
        "urn:uuid:" TEXT,
        "URN:UUID:" TEXT,
        "  " TEXT "\r\n",
        "\t{" TEXT "} ",
        " urn:uuid:" TEXT " ",
        " 0189ab3cdef071238456fedcba987654 ",
        "  0189ab3cdef071238456fedcba987654  ", /* 36 characters, as a hyphenated one has */
        "    0189ab3cdef071238456fedcba987654",
        "0189ab3cdef071238456fedcba987654    ",
        " {0189ab3cdef071238456fedcba987654} ",
        "{0189ab3cdef071238456fedcba987654}  ",
    };
    struct uuid expected = {{0x01, 0x89, 0xab, 0x3c, 0xde, 0xf0, 0x71, 0x23, 0x84, 0x56, 0xfe, 0xdc,
                             0xba, 0x98, 0x76, 0x54}};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct uuid u;
        if (!uuid_from_text(str_c(forms[i]), &u)) printf("  uuid '%s'\n", forms[i]);
        u = parsed(forms[i]);
        CHECK(uuid_eq(&u, &expected));
    }
    CHECK(formats_as(&expected, TEXT));
}

TEST(other_texts_are_refused) {
    static const char *const texts[] = {
        "",
        " ",
        "0",
        "0189ab3c-def0-7123-8456-fedcba98765",   /* too short */
        "0189ab3c-def0-7123-8456-fedcba9876543", /* too long */
        "0189ab3c-def0-7123-8456-fedcba98765g",
        "0189ab3c_def0-7123-8456-fedcba987654",
        "0189ab3cd-ef0-7123-8456-fedcba987654", /* hyphens elsewhere */
        "0189ab3c-def07123-8456-fedcba987654-",
        "------------------------------------",
        "0189ab3c-def0-7123-8456-fedcba98 654",
        "{0189ab3c-def0-7123-8456-fedcba987654",
        "0189ab3c-def0-7123-8456-fedcba987654}",
        "{}",
        "{{0189ab3cdef071238456fedcba987654}}",
        "urn:uuid:",
        "urn:uuie:" TEXT,
        "uuid:" TEXT,
        "0189ab3cdef07123845-fedcba987654",
        "0189ab3c\xff"
        "def0-7123-8456-fedcba987654",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct uuid u;
        bool ok = uuid_from_text(str_c(texts[i]), &u);
        if (ok) printf("  uuid '%s'\n", texts[i]);
        CHECK(!ok);
    }
    struct uuid u;
    CHECK(!uuid_from_text(str_of(NULL, 0), &u));
    for (int i = 0; i < UUID_TEXT_LEN; i++) { /* any byte in any place but a digit's */
        char text[UUID_TEXT_LEN + 1] = TEXT;
        for (int c = 0; c < 256; c++) {
            bool digit = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
            bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
            text[i] = (char)c;
            CHECK_INT(uuid_from_text(str_of(text, UUID_TEXT_LEN), &u), hyphen ? c == '-' : digit);
        }
    }
}

TEST(every_byte_formats_and_parses_in_every_place) {
    for (int place = 0; place < 16; place++) {
        for (int value = 0; value < 256; value++) {
            struct uuid u = {{0}}, back;
            u.b[place] = (uint8_t)value;
            char text[UUID_TEXT_LEN], digits[3];
            uuid_format(&u, text);
            snprintf(digits, sizeof digits, "%02x", value);
            int at = place * 2 + (place >= 4) + (place >= 6) + (place >= 8) + (place >= 10);
            CHECK(memcmp(text + at, digits, 2) == 0);
            CHECK(uuid_from_text(str_of(text, sizeof text), &back));
            CHECK(uuid_eq(&u, &back));
        }
    }
}

TEST(version_5_gives_the_known_ids) {
    struct uuid ns = parsed("219bd637-e279-53e9-9e2b-eabe5d9120cc"), u;
    uuid_v5(&ns, STR("user-123"), &u);
    CHECK(formats_as(&u, "7e124fe8-fe28-5398-bb95-53973100148f"));
    uuid_v5(&ns, STR("a"), &u);
    CHECK(formats_as(&u, "a2e73803-4dc3-5882-8717-336918b4aa0b"));
    ns = parsed("6ba7b810-9dad-11d1-80b4-00c04fd430c8"); /* DNS, RFC 9562 appendix A.4 */
    uuid_v5(&ns, STR("www.example.com"), &u);
    CHECK(formats_as(&u, "2ed6657d-e927-568b-95e1-2665a8aea6a2"));
    uuid_v5(&ns, str_of(NULL, 0), &u);
    CHECK_INT(u.b[6] >> 4, 5);
    CHECK_INT(u.b[8] >> 6, 2);
}

TEST(version_4_ids_are_marked_and_differ) {
    struct uuid a, b;
    uuid_v4(&b);
    for (int i = 0; i < 1000; i++) {
        uuid_v4(&a);
        CHECK_INT(a.b[6] >> 4, 4);
        CHECK_INT(a.b[8] >> 6, 2);
        CHECK(!uuid_eq(&a, &b));
        b = a;
    }
}

static void *draw_one(void *out) {
    *(uint64_t *)out = random_u64();
    return NULL;
}

TEST(random_numbers_differ_between_threads_and_use_every_bit) {
    uint64_t drawn[4];
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        CHECK_INT(pthread_create(&thread, NULL, draw_one, &drawn[i]), 0);
        CHECK_INT(pthread_join(thread, NULL), 0);
        for (int k = 0; k < i; k++) CHECK(drawn[i] != drawn[k]);
    }
    int ones[64] = {0};
    for (int i = 0; i < 10000; i++) {
        uint64_t v = random_u64();
        for (int bit = 0; bit < 64; bit++) ones[bit] += (int)(v >> bit & 1);
    }
    for (int bit = 0; bit < 64; bit++) CHECK(ones[bit] > 4500 && ones[bit] < 5500);
}

TEST(random_bytes_fill_all_that_was_asked) {
    unsigned char bytes[1000] = {0};
    int zeros = 0;
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) zeros += bytes[i] == 0;
    CHECK(zeros < 50);
    random_bytes(bytes, 0);
}
