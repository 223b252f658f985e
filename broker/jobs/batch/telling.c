/* telling: see telling.h. The rate is that of the last seconds, smoothed: what is left is reckoned with it.
 * SPDX-License-Identifier: MIT */
#include "telling.h"

#include "draft.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_MAX = 40, BAR_ROOM = 62 /* columns of all that stands beside it */, DEFAULT_COLUMNS = 100 };
#define SMOOTHING 0.2 /* the weight of the last second */

struct telling {
    FILE *out;
    bool bar; /* else JSON lines */
    pthread_mutex_t lock;
    bool shown; /* the bar stands on the line */
    uint64_t last_rows;
    double last_seconds, rate;
};

struct telling *telling_new(FILE *out, bool json)
{
    struct telling *telling = object_alloc(sizeof *telling);
    telling->out = out;
    telling->bar = !json && isatty(STDERR_FILENO) == 1;
    ENSURE(pthread_mutex_init(&telling->lock, NULL) == 0);
    return telling;
}

void telling_free(struct telling *telling)
{
    if (telling == NULL)
        return;
    pthread_mutex_destroy(&telling->lock);
    free(telling);
}

char *telling_time(double seconds, char text[TELLING_TIME_MAX])
{
    uint64_t whole = seconds < 0 ? 0 : seconds > 1e9 ? 1000000000 : (uint64_t)(seconds + 0.5);
    if (whole < 60)
        snprintf(text, TELLING_TIME_MAX, "%" PRIu64 " s", whole);
    else if (whole < 3600)
        snprintf(text, TELLING_TIME_MAX, "%" PRIu64 " min %02" PRIu64 " s", whole / 60, whole % 60);
    else
        snprintf(text, TELLING_TIME_MAX, "%" PRIu64 " h %02" PRIu64 " min", whole / 3600, whole / 60 % 60);
    return text;
}

static void clear_bar(struct telling *telling)
{
    if (telling->shown)
        fputs("\r\033[K", stderr);
    telling->shown = false;
}

void telling_line(struct telling *telling, const char *line)
{
    struct draft text = {0};
    pthread_mutex_lock(&telling->lock);
    clear_bar(telling);
    if (telling->bar)
        fprintf(stderr, "outrigger-batch: %s\n", line);
    else {
        draft_add_string(&text, "{\"event\": \"note\", \"message\": ");
        draft_add_json(&text, text_of(line));
        draft_add_string(&text, "}\n");
        fwrite(text.bytes, 1, text.length, telling->out);
        fflush(telling->out);
        draft_free(&text);
    }
    pthread_mutex_unlock(&telling->lock);
}

/* ---- how far ---- */

static void update_rate(struct telling *telling, const struct telling_state *state)
{
    uint64_t rows = state->scored + state->rejected;
    double passed = state->seconds - telling->last_seconds;
    if (passed <= 0)
        return;
    double now = (double)(rows - telling->last_rows) / passed;
    telling->rate = telling->last_seconds == 0 ? now : telling->rate + SMOOTHING * (now - telling->rate);
    telling->last_rows = rows;
    telling->last_seconds = state->seconds;
}

/* 0 to 1; -1: not known. */
static double part_of(const struct telling_state *state)
{
    uint64_t rows = state->scored + state->rejected;
    if (state->whole > 0)
        return rows >= state->whole ? 1 : (double)rows / (double)state->whole;
    return state->part > 0 ? state->part : -1;
}

/* Seconds; -1: not known. */
static double left_of(const struct telling *telling, const struct telling_state *state)
{
    uint64_t rows = state->scored + state->rejected;
    double part = part_of(state);
    if (part < 0 || telling->rate <= 0)
        return -1;
    if (state->whole > 0)
        return rows >= state->whole ? 0 : (double)(state->whole - rows) / telling->rate;
    return state->seconds * (1 - part) / part;
}

static int columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : DEFAULT_COLUMNS;
}

static void print_bar(struct telling *telling, const struct telling_state *state)
{
    char time[TELLING_TIME_MAX];
    double part = part_of(state), left = left_of(telling, state);
    int width = columns() - BAR_ROOM;
    width = width > BAR_MAX ? BAR_MAX : width < 0 ? 0 : width;
    fputs("\r\033[K", stderr);
    if (part >= 0) {
        int full = (int)(part * width);
        fprintf(stderr, "%3.0f%% ", floor(part * 100));
        for (int i = 0; i < width; i++)
            fputs(i < full ? "█" : "░", stderr);
        fputs(width > 0 ? " " : "", stderr);
    }
    fprintf(stderr, "%" PRIu64 " rows, %.0f rows/s", state->scored + state->rejected, telling->rate);
    if (state->rejected > 0)
        fprintf(stderr, ", %" PRIu64 " rejected", state->rejected);
    if (left >= 0)
        fprintf(stderr, ", %s left", telling_time(left, time));
    fflush(stderr);
    telling->shown = true;
}

static void print_state(FILE *out, const struct telling_state *state, double rate)
{
    fprintf(out,
            "\"rows\": %" PRIu64 ", \"scored\": %" PRIu64 ", \"rejected\": %" PRIu64
            ", \"seconds\": %.3f, \"rows_per_s\": %.1f, \"retries\": %" PRIu64,
            state->scored + state->rejected, state->scored, state->rejected, state->seconds, rate,
            state->retries);
}

void telling_progress(struct telling *telling, const struct telling_state *state)
{
    pthread_mutex_lock(&telling->lock);
    update_rate(telling, state);
    if (telling->bar)
        print_bar(telling, state);
    else {
        double part = part_of(state), left = left_of(telling, state);
        fputs("{\"event\": \"progress\", ", telling->out);
        print_state(telling->out, state, telling->rate);
        if (part >= 0)
            fprintf(telling->out, ", \"part\": %.4f", part);
        if (left >= 0)
            fprintf(telling->out, ", \"left_s\": %.0f", left);
        fputs("}\n", telling->out);
        fflush(telling->out);
    }
    pthread_mutex_unlock(&telling->lock);
}

/* ---- the end ---- */

static double mean_rate(const struct telling_state *state)
{
    return state->seconds > 0 ? (double)(state->scored + state->rejected) / state->seconds : 0;
}

static void print_last_json(FILE *out, const struct telling_state *state, const struct telling_end *end)
{
    struct draft text = {0};
    fprintf(out, "{\"event\": \"end\", \"result\": \"%s\", ", end->result);
    print_state(out, state, mean_rate(state));
    fprintf(out, ", \"take_seconds\": %.3f, \"commit_seconds\": %.3f, \"store_share\": %.3f",
            state->take_seconds, state->commit_seconds, state->share);
    if (end->lost > 0)
        fprintf(out, ", \"taken_over\": %" PRIu64, end->lost);
    draft_add_string(&text, ", \"model\": ");
    draft_add_json(&text, text_of(end->model));
    draft_add_string(&text, ", \"model_version\": ");
    draft_add_json(&text, text_of(end->version));
    if (*end->reason != '\0') {
        draft_add_string(&text, ", \"reason\": ");
        draft_add_json(&text, text_of(end->reason));
    }
    draft_add_string(&text, "}\n");
    fwrite(text.bytes, 1, text.length, out);
    draft_free(&text);
}

static void print_last_text(const struct telling_state *state, const struct telling_end *end)
{
    char time[TELLING_TIME_MAX];
    fprintf(stderr,
            "%s: %" PRIu64 " rows scored by %s %s, %" PRIu64 " rejected, in %s (%.0f rows/s; the tables "
            "were busy for %.0f%% of it)\n",
            end->result, state->scored, end->model, end->version, state->rejected,
            telling_time(state->seconds, time), mean_rate(state), state->share * 100);
    if (*end->reason != '\0' && strcmp(end->result, "failed") != 0) /* that is told anyway */
        fprintf(stderr, "the first reject: %s\n", end->reason);
}

void telling_last(struct telling *telling, const struct telling_state *state, const struct telling_end *end)
{
    pthread_mutex_lock(&telling->lock);
    clear_bar(telling);
    if (telling->bar)
        print_last_text(state, end);
    else
        print_last_json(telling->out, state, end);
    fflush(telling->out);
    pthread_mutex_unlock(&telling->lock);
}
