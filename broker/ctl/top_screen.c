/* top_screen: keys and windows. It draws what top_frame.c has laid out and decides nothing of it. When it is
 * ended by a signal, ncurses gives the terminal back as it was. SPDX-License-Identifier: MIT */
#include "top_screen.h"

#include "clock.h"
#include "top_frame.h"

#include <curses.h>
#include <locale.h>
#include <stdlib.h>

enum { ESCAPE_DELAY_MS = 25 }; /* arrows come in one piece; a lone escape must not hang */

static const int64_t intervals_ms[] = {500, 1000, 2000, 5000, 10000};

struct screen {
    struct top_window window;
    size_t scroll_max;
    struct top *top;
    int line; /* that is drawn next */
    bool coloured;
};

/* ---- drawing ---- */

static void start_colours(struct screen *screen)
{
    screen->coloured = has_colors() && getenv("NO_COLOR") == NULL && start_color() == OK;
    if (!screen->coloured)
        return;
    use_default_colors();
    init_pair(TONE_GOOD, COLOR_GREEN, -1);
    init_pair(TONE_BUSY, COLOR_YELLOW, -1);
    init_pair(TONE_BAD, COLOR_RED, -1);
}

/* Without colours what is bad is still seen. */
static attr_t attribute(const struct screen *screen, enum tone tone)
{
    return screen->coloured ? (attr_t)COLOR_PAIR(tone) : tone == TONE_BAD ? A_BOLD : A_NORMAL;
}

static void draw_line(void *self, const struct top_line *line)
{
    struct screen *screen = self;
    int y = screen->line++;
    attrset(line->bold ? A_BOLD : A_NORMAL);
    mvaddnstr(y, 0, line->text, (int)line->length);
    for (size_t i = 0; i < line->span_count; i++) {
        const struct top_span *span = &line->spans[i];
        if (span->start >= line->length)
            continue;
        size_t length = line->length - span->start < span->length ? line->length - span->start : span->length;
        attrset(attribute(screen, span->tone));
        mvaddnstr(y, (int)span->start, line->text + span->start, (int)length);
    }
    attrset(A_NORMAL);
}

static void draw(struct screen *screen)
{
    getmaxyx(stdscr, screen->window.height, screen->window.width);
    screen->line = 0;
    erase();
    top_sort(screen->top, screen->window.sort);
    screen->scroll_max = top_frame(screen->top, &screen->window, draw_line, screen);
    if (screen->window.scroll > screen->scroll_max)
        screen->window.scroll = screen->scroll_max;
    refresh();
}

/* ---- keys ---- */

static void scroll_by(struct screen *screen, int lines)
{
    int64_t to = (int64_t)screen->window.scroll + lines;
    screen->window.scroll = to < 0 ? 0 : (size_t)to;
}

static int64_t next_interval(int64_t ms)
{
    for (size_t i = 0; i < COUNT_OF(intervals_ms); i++)
        if (intervals_ms[i] > ms)
            return intervals_ms[i];
    return intervals_ms[0];
}

/* False when that was the end. */
static bool take_key(struct screen *screen, int key)
{
    struct top_window *window = &screen->window;
    switch (key) {
    case 'q':
        return false;
    case 's':
        window->sort = (window->sort + 1) % TOP_SORT_COUNT;
        break;
    case 'r':
        window->interval_ms = next_interval(window->interval_ms);
        break;
    case 'h':
    case '?':
        window->help = !window->help;
        break;
    case KEY_UP:
    case 'k':
        scroll_by(screen, -1);
        break;
    case KEY_DOWN:
    case 'j':
        scroll_by(screen, 1);
        break;
    case KEY_PPAGE:
        scroll_by(screen, -window->height);
        break;
    case KEY_NPAGE:
        scroll_by(screen, window->height);
        break;
    case KEY_HOME:
        window->scroll = 0;
        break;
    case KEY_END:
        window->scroll = screen->scroll_max;
        break;
    default: /* KEY_RESIZE among them: it is drawn anew anyway */
        break;
    }
    return true;
}

/* Draws, and takes keys until the next look is due. False when that was the end. */
static bool show(struct screen *screen, int64_t looked_at)
{
    for (;;) {
        draw(screen);
        int64_t left = looked_at + screen->window.interval_ms * MILLISECOND - clock_now();
        if (left <= 0)
            return true;
        timeout((int)(left / MILLISECOND) + 1);
        int key = getch();
        if (key != ERR && !take_key(screen, key))
            return false;
    }
}

/* ---- the whole ---- */

bool top_screen_run(top_look_again *look, void *self, int64_t interval_ms)
{
    struct screen screen = {.window = {.interval_ms = interval_ms}};
    setlocale(LC_CTYPE, "");
    SCREEN *terminal = top_terminal_is_known() ? newterm(NULL, stdout, stdin) : NULL;
    if (terminal == NULL)
        return false;
    set_escdelay(ESCAPE_DELAY_MS);
    start_colours(&screen);
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    bool goes_on = true;
    while (goes_on) {
        int64_t looked_at = clock_now();
        screen.top = look(self);
        goes_on = show(&screen, looked_at);
        top_free(screen.top);
    }
    endwin();
    delscreen(terminal);
    return true;
}
