/* top_frame: lays the numbers out. Columns are as wide as what is in them; in a window that is too narrow the
 * names of models are cut first, and then the columns that are missed least are left out.
 * SPDX-License-Identifier: MIT */
#include "top_frame.h"

#include "say.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { CELL_BYTES = 160, MODEL_WIDTH_MIN = 12, FOOTER_LINES = 1 };

/* ---- lines ---- */

static void append(struct top_line *line, enum tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void append(struct top_line *line, enum tone tone, const char *format, ...)
{
    size_t start = line->length, room = sizeof line->text - start;
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(line->text + start, room, format, arguments);
    va_end(arguments);
    size_t length = written < 0 ? 0 : (size_t)written < room ? (size_t)written : room - 1;
    line->length += length;
    for (size_t i = start; i < line->length; i++)
        if (line->text[i] < ' ' || line->text[i] > '~')
            line->text[i] = '?';
    if (tone != TONE_PLAIN && line->span_count < TOP_SPANS_MAX)
        line->spans[line->span_count++] = (struct top_span){start, length, tone};
}

/* Where lines go, and how many may still go there. */
struct page {
    const struct top_window *window;
    int left; /* -1: any number */
    void (*take)(void *self, const struct top_line *line);
    void *self;
};

static void put(struct page *page, struct top_line *line)
{
    if (page->left == 0)
        return;
    if (page->left > 0)
        page->left--;
    if (page->window->width > 0 && line->length > (size_t)page->window->width) {
        line->length = (size_t)page->window->width;
        line->text[line->length] = '\0';
    }
    while (page->window->height == 0 && line->length > 0 && line->text[line->length - 1] == ' ')
        line->text[--line->length] = '\0';
    page->take(page->self, line);
}

/* ---- numbers ---- */

/* Three digits that count: 0, 0.25, 3.2, 870, 12.3k. */
static void rate_text(char *text, double rate)
{
    if (rate == TOP_UNKNOWN)
        strcpy(text, "-");
    else if (rate >= 99950)
        snprintf(text, CELL_BYTES, "%.0fk", rate / 1000);
    else if (rate >= 9999.5)
        snprintf(text, CELL_BYTES, "%.1fk", rate / 1000);
    else
        snprintf(text, CELL_BYTES,
                 rate == 0      ? "%.0f"
                 : rate < 0.995 ? "%.2f"
                 : rate < 9.95  ? "%.1f"
                                : "%.0f",
                 rate);
}

static void percent_text(char *text, double fraction, const char *sign)
{
    double percent = fraction * 100;
    bool is_whole = percent == (double)(int64_t)percent || percent >= 99.95;
    if (fraction == TOP_UNKNOWN)
        strcpy(text, "-");
    else
        snprintf(text, CELL_BYTES,
                 is_whole          ? "%.0f%s"
                 : percent < 0.995 ? "%.2f%s"
                                   : "%.1f%s",
                 percent, sign);
}

static void time_text(char *text, int64_t ns)
{
    double us = (double)ns / 1000;
    if (ns == TOP_UNKNOWN)
        strcpy(text, "-");
    else if (us < 999.5)
        snprintf(text, CELL_BYTES, "%.0fus", us);
    else if (us < 999500)
        snprintf(text, CELL_BYTES, us < 9950 ? "%.1fms" : "%.0fms", us / 1e3);
    else
        snprintf(text, CELL_BYTES, us < 9950000 ? "%.1fs" : "%.0fs", us / 1e6);
}

static void bytes_text(char *text, int64_t bytes)
{
    double megabytes = (double)bytes / (1024 * 1024);
    if (bytes == TOP_UNKNOWN)
        strcpy(text, "-");
    else if (megabytes < 1023.5)
        snprintf(text, CELL_BYTES, "%.0fM", megabytes);
    else
        snprintf(text, CELL_BYTES, "%.1fG", megabytes / 1024);
}

static void number_text(char *text, int64_t number)
{
    if (number == TOP_UNKNOWN)
        strcpy(text, "-");
    else
        snprintf(text, CELL_BYTES, "%" PRId64, number);
}

/* ---- cells: each writes its text and returns its tone ---- */

static enum tone model_cell(const struct top_row *row, char *text)
{
    strcpy(text, row->model);
    return TONE_PLAIN;
}

/* The stable version has a star. */
static enum tone version_cell(const struct top_row *row, char *text)
{
    snprintf(text, CELL_BYTES, "%s%s", row->version, row->stable ? "*" : "");
    return TONE_PLAIN;
}

static enum tone state_cell(const struct top_row *row, char *text)
{
    strcpy(text, row->state);
    return strcmp(text, "ready") == 0                                      ? TONE_GOOD
           : strcmp(text, "failed") == 0                                   ? TONE_BAD
           : strcmp(text, "loading") == 0 || strcmp(text, "draining") == 0 ? TONE_BUSY
                                                                           : TONE_PLAIN;
}

static enum tone share_cell(const struct top_row *row, char *text)
{
    if (row->shadow)
        strcpy(text, "shadow");
    else
        percent_text(text, row->share, "%");
    return TONE_PLAIN;
}

static enum tone rate_cell(const struct top_row *row, char *text)
{
    rate_text(text, row->rate);
    return TONE_PLAIN;
}

static enum tone errors_cell(const struct top_row *row, char *text)
{
    percent_text(text, row->errors, "");
    return row->errors > 0 ? TONE_BAD : TONE_PLAIN;
}

static enum tone p50_cell(const struct top_row *row, char *text)
{
    time_text(text, row->p50);
    return TONE_PLAIN;
}

static enum tone p99_cell(const struct top_row *row, char *text)
{
    time_text(text, row->p99);
    return TONE_PLAIN;
}

static enum tone queue_cell(const struct top_row *row, char *text)
{
    number_text(text, row->queue);
    return row->queue > 0 ? TONE_BUSY : TONE_PLAIN;
}

static enum tone in_flight_cell(const struct top_row *row, char *text)
{
    number_text(text, row->in_flight);
    return TONE_PLAIN;
}

/* Ready and wanted ones, and how many of the ready ones others run: 2/2, 3/2+1. */
static enum tone workers_cell(const struct top_row *row, char *text)
{
    char ready[CELL_BYTES / 4], wanted[CELL_BYTES / 4] = "-", unmanaged[CELL_BYTES / 4] = "";
    int64_t ours = row->ready - row->unmanaged;
    if (row->ready == TOP_UNKNOWN)
        strcpy(ready, "-");
    else
        snprintf(ready, sizeof ready, "%" PRId64, ours);
    if (row->wanted != TOP_UNKNOWN)
        snprintf(wanted, sizeof wanted, "%" PRId64, row->wanted);
    if (row->unmanaged > 0)
        snprintf(unmanaged, sizeof unmanaged, "+%" PRId64, row->unmanaged);
    snprintf(text, CELL_BYTES, "%s/%s%s", ready, wanted, unmanaged);
    return row->ready != TOP_UNKNOWN && row->wanted > ours ? TONE_BUSY : TONE_PLAIN;
}

static enum tone restarts_cell(const struct top_row *row, char *text)
{
    number_text(text, row->restarts);
    return row->restarts > 0 ? TONE_BUSY : TONE_PLAIN;
}

static enum tone cpu_cell(const struct top_row *row, char *text)
{
    if (row->cpu == TOP_UNKNOWN)
        strcpy(text, "-");
    else
        snprintf(text, CELL_BYTES, "%.0f", row->cpu * 100);
    return TONE_PLAIN;
}

static enum tone resident_cell(const struct top_row *row, char *text)
{
    bytes_text(text, row->resident);
    return TONE_PLAIN;
}

/* ---- the table ---- */

/* `keep`: the column with the smallest goes first when there is no room. */
static const struct column {
    const char *head;
    enum tone (*cell)(const struct top_row *row, char *text);
    int keep;
    bool is_text; /* aligned to the left */
} columns[] = {
    {"MODEL", model_cell, 99, true},   {"VER", version_cell, 98, true},  {"STATE", state_cell, 9, true},
    {"SHARE", share_cell, 7, false},   {"REQ/S", rate_cell, 10, false},  {"ERR%", errors_cell, 9, false},
    {"P50", p50_cell, 6, false},       {"P99", p99_cell, 8, false},      {"QUEUE", queue_cell, 7, false},
    {"FLY", in_flight_cell, 2, false}, {"WORK", workers_cell, 7, false}, {"RST", restarts_cell, 3, false},
    {"CPU%", cpu_cell, 5, false},      {"RSS", resident_cell, 4, false}};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

struct layout {
    int widths[COLUMNS]; /* 0: left out */
};

static int line_width(const struct layout *layout)
{
    int width = -1; /* no separator in front of the first */
    for (size_t i = 0; i < COLUMNS; i++)
        width += layout->widths[i] == 0 ? 0 : layout->widths[i] + 1;
    return width;
}

static void fit(struct layout *layout, int width)
{
    while (line_width(layout) > width && layout->widths[0] > MODEL_WIDTH_MIN)
        layout->widths[0]--;
    while (line_width(layout) > width) {
        size_t least = 0;
        for (size_t i = 1; i < COLUMNS; i++)
            if (layout->widths[i] > 0 &&
                (layout->widths[least] == 0 || columns[i].keep < columns[least].keep))
                least = i;
        if (least == 0)
            return;
        layout->widths[least] = 0;
    }
}

static struct layout lay_out(const struct top *top, int width)
{
    struct layout layout;
    char text[CELL_BYTES];
    for (size_t i = 0; i < COLUMNS; i++) {
        layout.widths[i] = (int)strlen(columns[i].head);
        for (size_t j = 0; j < top->count; j++) {
            columns[i].cell(&top->rows[j], text);
            int length = (int)strlen(text);
            layout.widths[i] = length > layout.widths[i] ? length : layout.widths[i];
        }
    }
    if (width > 0)
        fit(&layout, width);
    return layout;
}

/* What does not fit ends with a '~'. */
static void append_cell(struct top_line *line, const struct layout *layout, size_t column, char *text,
                        enum tone tone)
{
    int width = layout->widths[column];
    if (width == 0)
        return;
    if (line->length > 0)
        append(line, TONE_PLAIN, " ");
    if ((int)strlen(text) > width) {
        text[width - 1] = '~';
        text[width] = '\0';
    }
    int padding = width - (int)strlen(text);
    append(line, TONE_PLAIN, "%*s", columns[column].is_text ? 0 : padding, "");
    append(line, tone, "%s", text);
    append(line, TONE_PLAIN, "%*s", columns[column].is_text ? padding : 0, "");
}

static void put_heads(struct page *page, const struct layout *layout)
{
    struct top_line line = {.bold = true};
    char text[CELL_BYTES];
    for (size_t i = 0; i < COLUMNS; i++) {
        strcpy(text, columns[i].head);
        append_cell(&line, layout, i, text, TONE_PLAIN);
    }
    put(page, &line);
}

static void put_row(struct page *page, const struct layout *layout, const struct top_row *row)
{
    struct top_line line = {0};
    char text[CELL_BYTES];
    for (size_t i = 0; i < COLUMNS; i++) {
        enum tone tone = columns[i].cell(row, text);
        append_cell(&line, layout, i, text, tone);
    }
    put(page, &line);
}

/* ---- above and below it ---- */

static void put_summary(struct page *page, const struct top *top)
{
    struct top_line line = {0};
    char text[CELL_BYTES];
    say_duration(top->uptime_ms, text);
    append(&line, TONE_PLAIN, "up %s", text);
    rate_text(text, top->rate);
    append(&line, TONE_PLAIN, "   %s req/s", text);
    rate_text(text, top->error_rate);
    append(&line, TONE_PLAIN, "   ");
    append(&line, top->error_rate > 0 ? TONE_BAD : TONE_PLAIN, "%s errors/s", text);
    if (top->limited_rate > 0) {
        rate_text(text, top->limited_rate);
        append(&line, TONE_PLAIN, "   ");
        append(&line, TONE_BUSY, "%s limited/s", text);
    }
    append(&line, TONE_PLAIN, "   ");
    append(&line, top->queue > 0 ? TONE_BUSY : TONE_PLAIN, "queue %" PRId64, top->queue);
    append(&line, TONE_PLAIN, "   in flight %" PRId64, top->in_flight);
    put(page, &line);
}

static void append_kind(struct top_line *line, const struct top_kind *kind)
{
    char text[CELL_BYTES];
    append(line, TONE_PLAIN, "%s%s ", line->length == 0 ? "" : "   ", kind->name);
    append(line, kind->running < kind->wanted ? TONE_BUSY : TONE_PLAIN, "%" PRId64 "/%" PRId64, kind->running,
           kind->wanted);
    if (kind->cpu != TOP_UNKNOWN)
        append(line, TONE_PLAIN, " %.0f%%", kind->cpu * 100);
    bytes_text(text, kind->resident);
    if (kind->resident != TOP_UNKNOWN)
        append(line, TONE_PLAIN, " %s", text);
    if (kind->restarts > 0)
        append(line, TONE_BUSY, " restarts %" PRId64, kind->restarts);
}

static void put_processes(struct page *page, const struct top *top)
{
    struct top_line line = {0};
    if (top->supervisor_answers)
        for (size_t i = 0; i < COUNT_OF(top->kinds); i++)
            append_kind(&line, &top->kinds[i]);
    else
        append(&line, TONE_BAD, "the supervisor does not answer");
    if (!top->broker_answers)
        append(&line, TONE_BAD, "   the broker does not answer");
    put(page, &line);
}

static void put_reasons(struct page *page, const struct top *top)
{
    for (size_t i = 0; i < top->count; i++) {
        const struct top_row *row = &top->rows[i];
        struct top_line line = {0};
        append(&line, TONE_BAD, "%s %s: %s", row->model, row->version, row->reason);
        if (row->reason[0] != '\0')
            put(page, &line);
    }
}

static void put_blank(struct page *page)
{
    put(page, &(struct top_line){0});
}

static void put_help(struct page *page)
{
    static const char *const lines[] = {
        "q         quit",
        "up, down  scroll by a line; page up, page down by a window; home, end",
        "s         sort by: name, req/s, errors, p99, queue, cpu",
        "r         look every: 0.5, 1, 2, 5, 10 seconds",
        "h         this, and back",
        "",
        "VER*  the stable version: it takes what no share, rule or key gives to another",
        "ERR%  of the requests that ended, those that were no answers (cancelled ones left out)",
        "P50, P99  from arrival at the broker to the answer, of what was computed since the last look",
        "QUEUE, FLY  requests that wait, and requests that workers have",
        "WORK  ready / wanted workers, + those that others run",
        "RST   restarts of the workers that are there"};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct top_line line = {0};
        append(&line, TONE_PLAIN, "%s", lines[i]);
        put(page, &line);
    }
}

static void put_keys(struct page *page, const struct top *top, size_t first, size_t shown)
{
    struct top_line line = {.bold = true};
    append(&line, TONE_PLAIN, "q quit   s sort: %s   r every %g s   h help",
           top_sort_name(page->window->sort), (double)page->window->interval_ms / 1000);
    if (shown < top->count)
        append(&line, TONE_PLAIN, "   %zu-%zu of %zu", first + 1, first + shown, top->count);
    page->left = 1;
    put(page, &line);
}

/* ---- the whole ---- */

static size_t put_table(struct page *page, const struct top *top)
{
    const struct top_window *window = page->window;
    struct layout layout = lay_out(top, window->width);
    put_heads(page, &layout);
    size_t room = page->left < 0 ? top->count : (size_t)page->left;
    size_t shown = room < top->count ? room : top->count, end = top->count - shown;
    size_t first = window->scroll < end ? window->scroll : end;
    for (size_t i = first; i < first + shown; i++)
        put_row(page, &layout, &top->rows[i]);
    if (top->count == 0)
        put(page, &(struct top_line){.text = "no models", .length = 9});
    put_reasons(page, top);
    if (window->height > 0) {
        while (page->left > 0)
            put_blank(page);
        put_keys(page, top, first, shown);
    }
    return end;
}

size_t top_frame(const struct top *top, const struct top_window *window,
                 void (*take)(void *self, const struct top_line *line), void *self)
{
    struct page page = {.window = window,
                        .left = window->height == 0 ? -1 : window->height - FOOTER_LINES,
                        .take = take,
                        .self = self};
    if (window->help) {
        put_help(&page);
        return 0;
    }
    put_summary(&page, top);
    put_processes(&page, top);
    put_blank(&page);
    return put_table(&page, top);
}
