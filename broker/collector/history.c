/* history: see history.h.
 *
 * The file is a table of slots, one for the host and each model and version, and a ring of seconds and one of
 * minutes for each slot:
 *
 *     head | names of the slots | totals of the slots | slot 0: 3600 seconds, 1440 minutes | slot 1: ... |
 *
 * A record stands at the place that its time gives it (second modulo 3600), says that time, and is summed up
 * together with the name of its slot. So there is no pointer to a newest record that could be torn off from
 * it, a slot that is given to another model needs no clearing, and whatever a crash leaves half written is no
 * record. A minute is made of its seconds when it is over. The file has holes where nothing happened.
 *
 * It is read and written, not mapped: a full disk is an error then, and no signal; and the pages are the
 * kernel's, not this process's. Both survive a kill -9 alike.
 *
 * Counters are kept as differences of totals. A total may fall for some seconds: a collector that begins anew
 * knows the totals of a process only when it has heard of it. So the highest total that was seen counts
 * (kept in the file, too), and what comes on top of it; until it is clear that it will not come back.
 * SPDX-License-Identifier: MIT */
#include "history.h"

#include "fnv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    HISTORY_MAGIC = 0x68690001,
    VERSION = 1,
    HOST = 0,               /* the slot */
    FALLEN_SAMPLES = 10,    /* a total that was lower for so long begins anew */
    SPAN_MAX_MS = 86400000, /* between two samples */
    MINUTE = 60,
    BLOCK_RECORDS = 256,    /* read at a time */
    FROM_SECONDS_MAX = 600, /* longer windows are read from minutes */
    HEAD_BYTES = 4096,
    NAMES_BYTES = 192,
    TOTALS_BYTES = 512
};
static const char head_text[8] = "ORhistry";

struct record {
    uint64_t check; /* of the slot's name and of what follows */
    int64_t at;     /* seconds since 1970; of a minute its first second */
    uint32_t span_ms;
    uint32_t numbers[HISTORY_NUMBERS];
};
_Static_assert(sizeof(struct record) == 160, "the layout of the file is that of VERSION 1");

struct head {
    char text[8];
    uint32_t version;
    uint32_t record_bytes;
    uint32_t slots;
    uint32_t seconds;
    uint32_t minutes;
    uint32_t unused;
};

struct names {
    uint64_t check;
    char model[METRICS_LABEL_BYTES];
    char version[METRICS_LABEL_BYTES];
};
_Static_assert(sizeof(struct names) <= NAMES_BYTES, "names have room");

struct totals {
    uint64_t check; /* of the slot's name and of what follows */
    uint64_t run;
    int64_t at; /* milliseconds since 1970 of the sample */
    uint64_t highest[HISTORY_COUNTERS];
};
_Static_assert(sizeof(struct totals) <= TOTALS_BYTES, "totals have room");

#define NAMES_AT      ((off_t)HEAD_BYTES)
#define TOTALS_AT     (NAMES_AT + (off_t)HISTORY_SLOTS * NAMES_BYTES)
#define RINGS_AT      (TOTALS_AT + (off_t)HISTORY_SLOTS * TOTALS_BYTES)
#define RING_RECORDS  (HISTORY_SECONDS + HISTORY_MINUTES)
#define RINGS_OF_SLOT ((off_t)RING_RECORDS * (off_t)sizeof(struct record))

struct slot {
    bool used;
    bool set;     /* in the sample under way */
    bool goes_on; /* its totals are known: what comes on top of them is new */
    struct names names;
    struct totals totals;
    uint64_t now[HISTORY_NUMBERS];
    uint8_t fallen[HISTORY_COUNTERS]; /* samples for which the total was below the highest */
    int64_t seen;                     /* second of the last sample that it was in */
};

struct history {
    unsigned magic;
    int fd;
    uint64_t run;
    struct slot slots[HISTORY_SLOTS];
    int64_t sampled_ms; /* the newest sample; 0: none */
    int64_t begun_ms;   /* the one under way; 0: none */
    int64_t minute;     /* minutes before it are made */
    bool goes_on;       /* there are totals of this run */
    size_t left_out;
    int error; /* of the sample under way */
    struct record block[BLOCK_RECORDS];
};

/* ---- the file ---- */

static off_t place_of(size_t slot, int64_t at, bool minute)
{
    int64_t record = minute ? HISTORY_SECONDS + at / MINUTE % HISTORY_MINUTES : at % HISTORY_SECONDS;
    return RINGS_AT + (off_t)slot * RINGS_OF_SLOT + (off_t)record * (off_t)sizeof(struct record);
}

static bool read_all(const struct history *history, void *bytes, size_t length, off_t at)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = pread(history->fd, (char *)bytes + done, length - done, at + (off_t)done);
        if (got == 0 || (got == -1 && errno != EINTR))
            break;
        done += got > 0 ? (size_t)got : 0;
    }
    memset((char *)bytes + done, 0, length - done); /* behind the end of the file there is no record */
    return done == length;
}

static void write_all(struct history *history, const void *bytes, size_t length, off_t at)
{
    ssize_t put;
    do
        put = pwrite(history->fd, bytes, length, at);
    while (put == -1 && errno == EINTR);
    if (put != (ssize_t)length)
        history->error = put == -1 ? errno : ENOSPC;
}

static uint64_t check_names(const struct names *names)
{
    return fnv_add(fnv_add(FNV_START, head_text, sizeof head_text), names->model,
                   sizeof names->model + sizeof names->version);
}

/* The sum of the bytes behind `check`, which is the first member. */
static uint64_t check_of(const struct slot *slot, const void *thing, size_t bytes)
{
    return fnv_add(slot->names.check, (const char *)thing + sizeof(uint64_t), bytes - sizeof(uint64_t));
}

static bool record_is(const struct slot *slot, const struct record *record, int64_t at)
{
    return record->at == at && record->span_ms > 0 && record->span_ms <= SPAN_MAX_MS &&
           record->check == check_of(slot, record, sizeof *record);
}

static void write_record(struct history *history, size_t index, struct record *record, bool minute)
{
    record->check = check_of(&history->slots[index], record, sizeof *record);
    write_all(history, record, sizeof *record, place_of(index, record->at, minute));
}

/* Reads the records of the seconds [from, from + count) of a slot, or of so many minutes, into the block;
 * those that are none have span_ms 0. */
static void read_block(struct history *history, size_t index, int64_t from, size_t count, bool minute)
{
    size_t ring = minute ? HISTORY_MINUTES : HISTORY_SECONDS;
    int64_t unit = minute ? MINUTE : 1;
    ENSURE(count <= BLOCK_RECORDS);
    size_t first = (size_t)(from / unit % (int64_t)ring);
    size_t before_end = count < ring - first ? count : ring - first;
    read_all(history, history->block, before_end * sizeof(struct record), place_of(index, from, minute));
    read_all(history, history->block + before_end, (count - before_end) * sizeof(struct record),
             place_of(index, 0, minute));
    for (size_t i = 0; i < count; i++)
        if (!record_is(&history->slots[index], &history->block[i], from + (int64_t)i * unit))
            history->block[i].span_ms = 0;
}

/* ---- slots ---- */

/* A model that was not there before begins at 0. One whose slot was taken from another may have been here
 * before, and begins at what it counts now. */
static void name_slot(struct history *history, size_t index, const char *model, const char *version)
{
    struct slot *slot = &history->slots[index];
    *slot = (struct slot){.used = true, .goes_on = history->goes_on && !slot->used};
    text_copy(text_of(model), slot->names.model, sizeof slot->names.model);
    text_copy(text_of(version), slot->names.version, sizeof slot->names.version);
    slot->names.check = check_names(&slot->names);
    write_all(history, &slot->names, sizeof slot->names, NAMES_AT + (off_t)index * NAMES_BYTES);
}

/* A free one, else the one that was not seen for longest; HISTORY_SLOTS: all are in use. */
static size_t free_slot(const struct history *history)
{
    size_t oldest = HISTORY_SLOTS;
    for (size_t i = HOST + 1; i < HISTORY_SLOTS; i++) {
        const struct slot *slot = &history->slots[i];
        if (!slot->used)
            return i;
        if (!slot->set && slot->seen < history->sampled_ms / 1000 &&
            (oldest == HISTORY_SLOTS || slot->seen < history->slots[oldest].seen))
            oldest = i;
    }
    return oldest;
}

static bool slot_is(const struct slot *slot, const char *model, const char *version)
{
    return slot->used && strcmp(slot->names.model, model) == 0 && strcmp(slot->names.version, version) == 0;
}

static struct slot *slot_for(struct history *history, const char *model, const char *version)
{
    for (size_t i = 0; i < HISTORY_SLOTS; i++)
        if (slot_is(&history->slots[i], model, version))
            return &history->slots[i];
    size_t index = free_slot(history);
    if (index == HISTORY_SLOTS)
        return NULL;
    name_slot(history, index, model, version);
    return &history->slots[index];
}

static bool in_scope(const struct slot *slot, struct history_scope scope)
{
    if (!slot->used)
        return false;
    if (scope.model == NULL)
        return slot->names.model[0] != '\0';
    return strcmp(slot->names.model, scope.model) == 0 &&
           (scope.version == NULL || strcmp(slot->names.version, scope.version) == 0);
}

/* ---- adding up ---- */

static bool is_gauge(size_t number)
{
    return number >= HISTORY_COUNTERS;
}

static uint32_t narrow(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* Adds what came later of the same slot. */
static void add_later(uint64_t numbers[HISTORY_NUMBERS], const uint32_t later[HISTORY_NUMBERS])
{
    for (size_t i = 0; i < HISTORY_NUMBERS; i++)
        if (!is_gauge(i))
            numbers[i] += later[i];
        else if (i == HISTORY_SHARE || later[i] > numbers[i])
            numbers[i] = later[i];
}

/* Adds what was at the same time in another slot. */
static void add_beside(uint64_t numbers[HISTORY_NUMBERS], const uint64_t other[HISTORY_NUMBERS])
{
    for (size_t i = 0; i < HISTORY_NUMBERS; i++)
        numbers[i] += other[i];
}

static void fill_record(struct record *record, int64_t at, uint64_t span, const uint64_t numbers[])
{
    *record = (struct record){.at = at, .span_ms = span > SPAN_MAX_MS ? SPAN_MAX_MS : (uint32_t)span};
    for (size_t i = 0; i < HISTORY_NUMBERS; i++)
        record->numbers[i] = narrow(numbers[i]);
}

/* ---- minutes ---- */

static void make_minute(struct history *history, size_t index, int64_t at)
{
    uint64_t numbers[HISTORY_NUMBERS] = {0};
    uint64_t span = 0;
    read_block(history, index, at, MINUTE, false);
    for (size_t i = 0; i < MINUTE; i++) {
        span += history->block[i].span_ms;
        if (history->block[i].span_ms > 0)
            add_later(numbers, history->block[i].numbers);
    }
    if (span == 0)
        return;
    struct record record;
    fill_record(&record, at, span, numbers);
    write_record(history, index, &record, true);
}

/* Makes those that are over: also those that a predecessor had no time for. */
static void make_minutes(struct history *history, int64_t second)
{
    int64_t now = second / MINUTE;
    int64_t oldest = now - HISTORY_SECONDS / MINUTE + 1;
    if (history->minute < oldest || history->minute > now)
        history->minute = history->minute > now ? now : oldest;
    for (; history->minute < now; history->minute++)
        for (size_t i = 0; i < HISTORY_SLOTS; i++)
            if (history->slots[i].used)
                make_minute(history, i, history->minute * MINUTE);
    history->minute = now;
}

/* ---- samples ---- */

bool history_begin(struct history *history, int64_t now_ms)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    ENSURE(history->begun_ms == 0);
    if (now_ms / 1000 == history->sampled_ms / 1000)
        return false;
    history->begun_ms = now_ms;
    history->left_out = 0;
    history->error = 0;
    for (size_t i = 0; i < HISTORY_SLOTS; i++) {
        history->slots[i].set = i == HOST;
        memset(history->slots[i].now, 0, sizeof history->slots[i].now);
    }
    return true;
}

void history_set(struct history *history, const char *model, const char *version, enum history_number number,
                 uint64_t value)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    ENSURE(history->begun_ms != 0 && number < HISTORY_NUMBERS);
    struct slot *slot = slot_for(history, model, version);
    if (slot == NULL) {
        history->left_out++;
        return;
    }
    slot->set = true;
    slot->seen = history->begun_ms / 1000;
    slot->now[number] += value;
}

/* What came on top of the highest total, which is the new one then. */
static uint64_t rise(struct slot *slot, size_t number)
{
    uint64_t total = slot->now[number];
    uint64_t *highest = &slot->totals.highest[number];
    uint64_t more = slot->goes_on && total > *highest ? total - *highest : 0;
    slot->fallen[number] = total < *highest ? (uint8_t)(slot->fallen[number] + 1) : 0;
    if (total > *highest || !slot->goes_on || slot->fallen[number] >= FALLEN_SAMPLES) {
        *highest = total;
        slot->fallen[number] = 0;
    }
    return more;
}

/* A slot in which nothing happens takes no room: that the host has a record says that it is so. */
static void end_slot(struct history *history, size_t index, uint32_t span_ms)
{
    struct slot *slot = &history->slots[index];
    struct record record = {.at = history->begun_ms / 1000, .span_ms = span_ms};
    uint64_t happened = index == HOST;
    for (size_t i = 0; i < HISTORY_NUMBERS; i++) {
        record.numbers[i] = narrow(is_gauge(i) ? slot->now[i] : rise(slot, i));
        happened |= record.numbers[i];
    }
    slot->goes_on = true;
    if (happened != 0)
        write_record(history, index, &record, false);
    slot->totals.run = history->run;
    slot->totals.at = history->begun_ms;
    slot->totals.check = check_of(slot, &slot->totals, sizeof slot->totals);
    write_all(history, &slot->totals, sizeof slot->totals, TOTALS_AT + (off_t)index * TOTALS_BYTES);
}

/* The time that the differences are of. A second for the first sample, that has none, and when the clock was
 * set back. */
static uint32_t span_of(const struct history *history)
{
    int64_t span = history->begun_ms - history->sampled_ms;
    if (!history->goes_on || span <= 0)
        return 1000;
    return span > SPAN_MAX_MS ? SPAN_MAX_MS : (uint32_t)span;
}

bool history_end(struct history *history)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    ENSURE(history->begun_ms != 0);
    uint32_t span = span_of(history);
    for (size_t i = 0; i < HISTORY_SLOTS; i++)
        if (history->slots[i].set)
            end_slot(history, i, span);
    history->goes_on = true;
    history->sampled_ms = history->begun_ms;
    history->begun_ms = 0;
    make_minutes(history, history->sampled_ms / 1000);
    errno = history->error;
    return history->error == 0;
}

int64_t history_newest(const struct history *history)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    return history->sampled_ms / 1000;
}

size_t history_left_out(const struct history *history)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    return history->left_out;
}

void history_each(const struct history *history, history_visit *visit, void *self)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    for (size_t i = HOST + 1; i < HISTORY_SLOTS; i++)
        if (history->slots[i].used)
            visit(self, history->slots[i].names.model, history->slots[i].names.version);
}

/* ---- reading ---- */

/* A window that is read: steps of so many records each, second for second or minute for minute. */
struct window {
    struct history_scope scope;
    int64_t from;
    size_t count;
    size_t records; /* in a step */
    bool minute;
    struct history_point *points;
};

/* One slot's way through a window. */
struct walk {
    const struct window *window;
    bool host;                         /* it says what is known at all */
    bool wanted;                       /* its numbers are */
    size_t done;                       /* records */
    uint64_t numbers[HISTORY_NUMBERS]; /* of the step under way */
};

static void walk_record(struct walk *walk, const struct record *record)
{
    struct history_point *point = &walk->window->points[walk->done++ / walk->window->records];
    if (walk->host)
        point->seconds += record->span_ms / 1e3;
    if (record->span_ms > 0)
        add_later(walk->numbers, record->numbers);
    if (walk->done % walk->window->records != 0)
        return;
    if (walk->wanted)
        add_beside(point->numbers, walk->numbers);
    memset(walk->numbers, 0, sizeof walk->numbers);
}

/* The minute under way has no record yet: its seconds are what is known of it. */
static void put_minute_under_way(struct history *history, size_t index, int64_t from, size_t count)
{
    int64_t now = history->sampled_ms / 1000 / MINUTE * MINUTE;
    struct record seconds[MINUTE];
    uint64_t numbers[HISTORY_NUMBERS] = {0};
    uint64_t span = 0;
    if (now < from || now >= from + (int64_t)count * MINUTE)
        return;
    read_all(history, seconds, sizeof seconds, place_of(index, now, false));
    for (size_t i = 0; i < MINUTE; i++)
        if (record_is(&history->slots[index], &seconds[i], now + (int64_t)i)) {
            span += seconds[i].span_ms;
            add_later(numbers, seconds[i].numbers);
        }
    fill_record(&history->block[(now - from) / MINUTE], now, span, numbers);
}

static void walk_slot(struct history *history, size_t index, const struct window *window, bool wanted)
{
    struct walk walk = {.window = window, .host = index == HOST, .wanted = wanted};
    int64_t unit = window->minute ? MINUTE : 1;
    size_t records = window->count * window->records;
    for (size_t first = 0; first < records; first += BLOCK_RECORDS) {
        size_t count = records - first < BLOCK_RECORDS ? records - first : BLOCK_RECORDS;
        int64_t begin = window->from + (int64_t)first * unit;
        read_block(history, index, begin, count, window->minute);
        if (window->minute)
            put_minute_under_way(history, index, begin, count);
        for (size_t i = 0; i < count; i++)
            walk_record(&walk, &history->block[i]);
    }
}

static void read_window(struct history *history, const struct window *window)
{
    memset(window->points, 0, window->count * sizeof *window->points);
    for (size_t i = 0; i < HISTORY_SLOTS; i++) {
        bool wanted = in_scope(&history->slots[i], window->scope);
        if (wanted || i == HOST)
            walk_slot(history, i, window, wanted);
    }
}

void history_read(struct history *history, struct history_scope scope, int64_t from, int64_t step,
                  size_t count, struct history_point *points)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    bool minute = step % MINUTE == 0;
    ENSURE(from >= 0 && step >= 1 && step <= (minute ? HISTORY_MINUTES * MINUTE : HISTORY_SECONDS));
    struct window window = {.scope = scope,
                            .from = minute ? from - from % MINUTE : from,
                            .count = count,
                            .records = (size_t)(minute ? step / MINUTE : step),
                            .minute = minute,
                            .points = points};
    read_window(history, &window);
}

struct history_point history_last(struct history *history, struct history_scope scope, int64_t seconds)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    struct history_point point = {0};
    bool minute = seconds > FROM_SECONDS_MAX;
    int64_t unit = minute ? MINUTE : 1;
    int64_t records = seconds / unit;
    int64_t from = (history->sampled_ms / 1000 / unit + 1 - records) * unit;
    ENSURE(seconds >= 1 && records <= HISTORY_MINUTES + HISTORY_SECONDS);
    struct window window = {.scope = scope,
                            .from = from,
                            .count = 1,
                            .records = (size_t)records,
                            .minute = minute,
                            .points = &point};
    if (history->sampled_ms > 0 && from >= 0)
        read_window(history, &window);
    return point;
}

/* ---- life ---- */

static bool read_head(struct history *history)
{
    const struct head ours = {
        "", VERSION, sizeof(struct record), HISTORY_SLOTS, HISTORY_SECONDS, HISTORY_MINUTES, 0};
    struct head head;
    struct head expected = ours;
    memcpy(expected.text, head_text, sizeof expected.text);
    if (read_all(history, &head, sizeof head, 0) && memcmp(&head, &expected, sizeof head) == 0)
        return true;
    if (ftruncate(history->fd, 0) == 0)
        write_all(history, &expected, sizeof expected, 0);
    return false;
}

static bool names_are_good(const struct names *names)
{
    return names->check == check_names(names) && memchr(names->model, '\0', sizeof names->model) != NULL &&
           memchr(names->version, '\0', sizeof names->version) != NULL && names->model[0] != '\0';
}

static bool is_known(const struct history *history, const struct names *names)
{
    for (size_t i = 0; i < HISTORY_SLOTS; i++)
        if (slot_is(&history->slots[i], names->model, names->version))
            return true;
    return false;
}

/* The totals of a slot, if they are of this run; else it begins at what is counted next. */
static void read_totals(struct history *history, size_t index)
{
    struct slot *slot = &history->slots[index];
    struct totals totals;
    read_all(history, &totals, sizeof totals, TOTALS_AT + (off_t)index * TOTALS_BYTES);
    if (totals.check != check_of(slot, &totals, sizeof totals) || totals.at < 0)
        return;
    slot->seen = totals.at / 1000;
    if (totals.at > history->sampled_ms)
        history->sampled_ms = totals.at;
    if (totals.run == history->run) {
        slot->totals = totals;
        slot->goes_on = true;
    }
}

static void read_slots(struct history *history)
{
    for (size_t i = HOST + 1; i < HISTORY_SLOTS; i++) {
        struct names names;
        read_all(history, &names, sizeof names, NAMES_AT + (off_t)i * NAMES_BYTES);
        if (!names_are_good(&names) || is_known(history, &names))
            continue;
        history->slots[i] = (struct slot){.used = true, .names = names};
        read_totals(history, i);
        /* Of a former run: what it counts in this one begins at 0, if this one has begun before. */
        history->slots[i].goes_on = history->slots[i].goes_on || history->goes_on;
    }
}

struct history *history_new(int fd, uint64_t run)
{
    struct history *history = object_alloc(sizeof *history);
    history->magic = HISTORY_MAGIC;
    history->fd = fd;
    history->run = run;
    bool known = read_head(history);
    history->slots[HOST].used = true;
    history->slots[HOST].names.check = check_names(&history->slots[HOST].names);
    if (known) {
        read_totals(history, HOST);
        history->goes_on = history->slots[HOST].goes_on;
        read_slots(history);
    }
    return history;
}

void history_free(struct history *history)
{
    if (history == NULL)
        return;
    CHECK_OBJECT(history, HISTORY_MAGIC);
    close(history->fd);
    history->magic = 0;
    free(history);
}
