/* See view_text.h. */
#include "commands/event/view_text.h"

#include "commands/event/selector_args.h"

static void put_word(struct buf *out, enum selector_word word, struct str value) {
    if (out->len > 0) buf_put(out, " ", 1);
    buf_put_str(out, selector_word_name(word));
    buf_put(out, " ", 1);
    buf_put_quoted(out, value);
}

void view_text_put(struct buf *out, const struct selector *s) {
    static const enum selector_word words[SELECT_KINDS] = {
        [SELECT_STREAM] = WORD_STREAM,       [SELECT_CATEGORY] = WORD_CATEGORY,
        [SELECT_TYPE] = WORD_TYPE,           [SELECT_CORRELATION] = WORD_CORRELATION,
        [SELECT_CAUSATION] = WORD_CAUSATION, [SELECT_AGGREGATE] = WORD_AGGREGATE,
    };
    for (enum selector_kind k = 0; k < SELECT_KINDS; k++) {
        bool is_uuid = k == SELECT_CORRELATION || k == SELECT_CAUSATION;
        for (size_t i = 0; i < s->kinds[k].count; i++) {
            struct str value = s->kinds[k].values[i];
            char text[UUID_TEXT_LEN];
            struct uuid id;
            if (is_uuid) {
                memcpy(&id, value.ptr, sizeof id);
                uuid_format(&id, text);
                value = str_of(text, sizeof text);
            }
            put_word(out, words[k], value);
        }
    }
    char digits[20];
    if (s->since > 0) put_word(out, WORD_SINCE, str_of(digits, u64_to_dec(s->since, digits)));
}

bool view_words_read(struct view_words *w, struct str text) {
    static const struct resp_limits limits = {.bulk_max = UINT32_MAX,
                                              .args_max = UINT32_MAX,
                                              .inline_max = UINT32_MAX,
                                              .request_max = UINT32_MAX};
    resp_reader_init(&w->reader);
    buf_init(&w->line, 0);
    buf_put_str(&w->line, text);
    buf_put(&w->line, "\n", 1);
    return resp_read(&w->reader, w->line.data, w->line.len, &limits) == RESP_OK &&
           w->reader.consumed == w->line.len && w->reader.argc > 0 && w->reader.argc % 2 == 0;
}

void view_words_clear(struct view_words *w) {
    resp_reader_clear(&w->reader);
    buf_clear(&w->line);
}
