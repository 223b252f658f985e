/* history: see history.h. What is kept lies in a file of records (history_file.c); here they come about and
 * are read. A minute is made of its seconds when it is over.
 *
 * Counters are kept as differences of totals. A total may fall for some seconds: a collector that begins anew
 * knows the totals of a process only when it has heard of it. So the highest total that was seen counts
 * (kept in the file, too), and what comes on top of it; until it is clear that it will not come back. Called
 * by chronicle.c, which fills it by sampler.c, and read by dashboard_now.c and dashboard_history.c.
 * SPDX-License-Identifier: MIT */
#include "history.h"

#include "history_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    HISTORY_MAGIC = 0x68690001,
    HOST = 0,               /* the slot */
    FALLEN_SAMPLES = 10,    /* a total that was lower for so long begins anew */
    BLOCK_RECORDS = 256,    /* read at a time */
    FROM_SECONDS_MAX = 600, /* longer windows are read from minutes */
    TOTALS_MS = 60000       /* those that do not change are written so often, for the time that they say */
};

struct slot {
    bool used;
    bool set;     /* in the sample under way */
    bool goes_on; /* its totals are known: what comes on top of them is new */
    struct history_names names;
    struct history_totals totals;
    uint64_t now[HISTORY_NUMBERS];
    uint8_t fallen[HISTORY_COUNTERS]; /* samples for which the total was below the highest */
    int64_t seen;                     /* second of the last sample that it was in */
};

struct history {
    unsigned magic;
    struct history_file file;
    uint64_t run;
    struct slot slots[HISTORY_SLOTS];
    int64_t sampled_ms; /* the newest sample; 0: none */
    int64_t begun_ms;   /* the one under way; 0: none */
    int64_t steady_ms;  /* of the newest sample, by the clock that nobody sets; 0: a predecessor took it */
    int64_t span_ms;    /* the time that the differences of the one under way are of */
    int64_t minute;     /* minutes before it are made */
    bool goes_on;       /* there are totals of this run */
    bool full;          /* something has no place in this sample */
    size_t found;       /* the slot that was asked for last: so is it next, mostly */
    struct history_record block[BLOCK_RECORDS];
};

/* The records of the seconds [from, from + count) of a slot, or of so many minutes, into the block. */
static void read_block(struct history *history, size_t index, int64_t from, size_t count, bool minute)
{
    ENSURE(count <= BLOCK_RECORDS);
    history_file_read(&history->file, index, &history->slots[index].names, from, count, minute,
                      history->block);
}

/* ---- slots ---- */

/* A model that was not there before begins at 0. One whose slot was taken from another may have been here
 * before, and begins at what it counts now. */
static void name_slot(struct history *history, size_t index, const char *model, const char *version)
{
    struct slot *slot = &history->slots[index];
    *slot = (struct slot){.used = true, .goes_on = history->goes_on && !slot->used};
    history_names_set(&slot->names, model, version);
    history_file_write_names(&history->file, index, &slot->names);
}

/* Seconds since the last sample that it was in; 0: that was the newest one. The clock may have been set back
 * since. */
static int64_t absence(const struct history *history, const struct slot *slot)
{
    int64_t seconds = history->sampled_ms / 1000 - slot->seen;
    return seconds < 0 ? INT64_MAX : seconds;
}

/* A free one, else the one that was not seen for longest; HISTORY_SLOTS: all are in use. */
static size_t free_slot(const struct history *history)
{
    size_t oldest = HISTORY_SLOTS;
    int64_t longest = 0;
    for (size_t i = HOST + 1; i < HISTORY_SLOTS; i++) {
        const struct slot *slot = &history->slots[i];
        if (!slot->used)
            return i;
        if (slot->set || absence(history, slot) <= longest)
            continue;
        oldest = i;
        longest = absence(history, slot);
    }
    return oldest;
}

static bool slot_is(const struct slot *slot, const char *model, const char *version)
{
    return slot->used && strcmp(slot->names.model, model) == 0 && strcmp(slot->names.version, version) == 0;
}

static struct slot *slot_for(struct history *history, const char *model, const char *version)
{
    if (slot_is(&history->slots[history->found], model, version))
        return &history->slots[history->found];
    size_t index = 0;
    while (index < HISTORY_SLOTS && !slot_is(&history->slots[index], model, version))
        index++;
    if (index == HISTORY_SLOTS) {
        index = free_slot(history);
        if (index == HISTORY_SLOTS)
            return NULL;
        name_slot(history, index, model, version);
    }
    history->found = index;
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
        else if (later[i] > numbers[i])
            numbers[i] = later[i];
}

/* Adds what was at the same time in another slot. */
static void add_beside(uint64_t numbers[HISTORY_NUMBERS], const uint64_t other[HISTORY_NUMBERS])
{
    for (size_t i = 0; i < HISTORY_NUMBERS; i++)
        numbers[i] += other[i];
}

static void fill_record(struct history_record *record, int64_t at, uint64_t span, const uint64_t numbers[])
{
    *record = (struct history_record){
        .at = at, .span_ms = span > HISTORY_SPAN_MAX_MS ? HISTORY_SPAN_MAX_MS : (uint32_t)span};
    for (size_t i = 0; i < HISTORY_NUMBERS; i++)
        record->numbers[i] = narrow(numbers[i]);
}

/* ---- minutes ---- */

/* Adds up the seconds of a minute; returns the milliseconds that they are of. */
static uint64_t add_seconds(struct history *history, size_t index, int64_t at,
                            uint64_t numbers[HISTORY_NUMBERS])
{
    struct history_record seconds[HISTORY_MINUTE];
    uint64_t span = 0;
    history_file_read(&history->file, index, &history->slots[index].names, at, HISTORY_MINUTE, false,
                      seconds);
    for (size_t i = 0; i < HISTORY_MINUTE; i++) {
        span += seconds[i].span_ms;
        if (seconds[i].span_ms > 0)
            add_later(numbers, seconds[i].numbers);
    }
    return span;
}

static void make_minute(struct history *history, size_t index, int64_t at)
{
    uint64_t numbers[HISTORY_NUMBERS] = {0};
    uint64_t span = add_seconds(history, index, at, numbers);
    if (span == 0)
        return;
    struct history_record record;
    fill_record(&record, at, span, numbers);
    history_file_write(&history->file, index, &history->slots[index].names, &record, true);
}

/* Makes those that are over: also those that a predecessor had no time for. */
static void make_minutes(struct history *history, int64_t second)
{
    int64_t now = second / HISTORY_MINUTE;
    int64_t oldest = now - HISTORY_SECONDS / HISTORY_MINUTE + 1;
    if (history->minute < oldest || history->minute > now)
        history->minute = history->minute > now ? now : oldest;
    for (; history->minute < now; history->minute++)
        for (size_t i = 0; i < HISTORY_SLOTS; i++)
            if (history->slots[i].used)
                make_minute(history, i, history->minute * HISTORY_MINUTE);
    history->minute = now;
}

/* ---- samples ---- */

/* Of what a predecessor has taken the wall clock alone knows when that was. A second for the first sample of
 * all, and when the clock was set back meanwhile. */
static int64_t span_until(const struct history *history, int64_t now_ms, int64_t steady_ms)
{
    int64_t span = history->steady_ms != 0 ? steady_ms - history->steady_ms : now_ms - history->sampled_ms;
    if (!history->goes_on || span <= 0)
        return 1000;
    return span > HISTORY_SPAN_MAX_MS ? HISTORY_SPAN_MAX_MS : span;
}

bool history_begin(struct history *history, int64_t now_ms, int64_t steady_ms)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    ENSURE(history->begun_ms == 0);
    if (now_ms / 1000 == history->sampled_ms / 1000)
        return false;
    history->span_ms = span_until(history, now_ms, steady_ms);
    history->steady_ms = steady_ms;
    history->begun_ms = now_ms;
    history->full = false;
    history->file.error = 0;
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
        history->full = true;
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

static void write_totals(struct history *history, size_t index, bool changed)
{
    struct slot *slot = &history->slots[index];
    int64_t age_ms = history->begun_ms - slot->totals.at;
    if (index != HOST && !changed && slot->totals.run == history->run && age_ms >= 0 && age_ms < TOTALS_MS)
        return;
    slot->totals.run = history->run;
    slot->totals.at = history->begun_ms;
    history_file_write_totals(&history->file, index, &slot->names, &slot->totals);
}

/* A slot in which nothing happens takes no room: that the host has a record says that it is so. */
static void end_slot(struct history *history, size_t index)
{
    struct slot *slot = &history->slots[index];
    struct history_record record = {.at = history->begun_ms / 1000, .span_ms = (uint32_t)history->span_ms};
    uint64_t happened = index == HOST, before[HISTORY_COUNTERS];
    memcpy(before, slot->totals.highest, sizeof before);
    for (size_t i = 0; i < HISTORY_NUMBERS; i++) {
        record.numbers[i] = narrow(is_gauge(i) ? slot->now[i] : rise(slot, i));
        happened |= record.numbers[i];
    }
    slot->goes_on = true;
    if (happened != 0)
        history_file_write(&history->file, index, &slot->names, &record, false);
    write_totals(history, index, memcmp(before, slot->totals.highest, sizeof before) != 0);
}

bool history_end(struct history *history)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    ENSURE(history->begun_ms != 0);
    for (size_t i = 0; i < HISTORY_SLOTS; i++)
        if (history->slots[i].set)
            end_slot(history, i);
    history->goes_on = true;
    history->sampled_ms = history->begun_ms;
    history->begun_ms = 0;
    make_minutes(history, history->sampled_ms / 1000);
    errno = history->file.error;
    return history->file.error == 0;
}

int64_t history_newest(const struct history *history)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    return history->sampled_ms / 1000;
}

bool history_is_full(const struct history *history)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    return history->full;
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

static void walk_record(struct walk *walk, const struct history_record *record)
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
    int64_t now = history->sampled_ms / 1000 / HISTORY_MINUTE * HISTORY_MINUTE;
    uint64_t numbers[HISTORY_NUMBERS] = {0};
    if (now < from || now >= from + (int64_t)count * HISTORY_MINUTE)
        return;
    uint64_t span = add_seconds(history, index, now, numbers);
    fill_record(&history->block[(now - from) / HISTORY_MINUTE], now, span, numbers);
}

static void walk_slot(struct history *history, size_t index, const struct window *window, bool wanted)
{
    struct walk walk = {.window = window, .host = index == HOST, .wanted = wanted};
    int64_t unit = window->minute ? HISTORY_MINUTE : 1;
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
    bool minute = step % HISTORY_MINUTE == 0;
    ENSURE(from >= 0 && step >= 1 && step <= (minute ? HISTORY_MINUTES * HISTORY_MINUTE : HISTORY_SECONDS));
    struct window window = {.scope = scope,
                            .from = minute ? from - from % HISTORY_MINUTE : from,
                            .count = count,
                            .records = (size_t)(minute ? step / HISTORY_MINUTE : step),
                            .minute = minute,
                            .points = points};
    read_window(history, &window);
}

struct history_point history_last(struct history *history, struct history_scope scope, int64_t seconds)
{
    CHECK_OBJECT(history, HISTORY_MAGIC);
    struct history_point point = {0};
    bool minute = seconds > FROM_SECONDS_MAX;
    int64_t unit = minute ? HISTORY_MINUTE : 1;
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

static bool is_known(const struct history *history, const struct history_names *names)
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
    struct history_totals totals;
    if (!history_file_read_totals(&history->file, index, &slot->names, &totals))
        return;
    if (totals.at > history->sampled_ms)
        history->sampled_ms = totals.at;
    bool newest = history->sampled_ms - totals.at < TOTALS_MS;
    slot->seen = (newest ? history->sampled_ms : totals.at) / 1000;
    if (totals.run == history->run) {
        slot->totals = totals;
        slot->goes_on = true;
    }
}

static void read_slots(struct history *history)
{
    for (size_t i = HOST + 1; i < HISTORY_SLOTS; i++) {
        struct history_names names;
        if (!history_file_read_names(&history->file, i, &names) || is_known(history, &names))
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
    history->file.fd = fd;
    history->run = run;
    bool known = history_file_begin(&history->file);
    history->slots[HOST].used = true;
    history_names_set(&history->slots[HOST].names, "", "");
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
    close(history->file.fd);
    history->magic = 0;
    free(history);
}
