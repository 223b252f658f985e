/* dashboard_history: the history as columns of JSON. A page that draws an hour asks once for all of it and
 * then for what is new. Called by dashboard_page.c. SPDX-License-Identifier: MIT */
#include "dashboard.h"
#include "figures.h"

#include <stdlib.h>

enum { POINTS_MAX = 3600, STEP_MAX = 3600, SPAN_DEFAULT = 300, NUMBER_DIGITS_MAX = 18 };

/* The value of one name in the query; empty when it is not there. */
static struct text value_of(struct text query, const char *name)
{
    size_t length = strlen(name);
    while (query.length > 0) {
        const char *end = memchr(query.at, '&', query.length);
        struct text pair = {query.at, end == NULL ? query.length : (size_t)(end - query.at)};
        if (pair.length > length && memcmp(pair.at, name, length) == 0 && pair.at[length] == '=')
            return (struct text){pair.at + length + 1, pair.length - length - 1};
        size_t taken = pair.length + (end != NULL);
        query = (struct text){query.at + taken, query.length - taken};
    }
    return (struct text){"", 0};
}

static int64_t number_of(struct text query, const char *name, int64_t minimum, int64_t maximum,
                         int64_t otherwise)
{
    struct text value = value_of(query, name);
    int64_t number = 0;
    if (value.length == 0 || value.length > NUMBER_DIGITS_MAX)
        return otherwise;
    for (size_t i = 0; i < value.length; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return otherwise;
        number = number * 10 + (value.at[i] - '0');
    }
    return number < minimum || number > maximum ? otherwise : number;
}

/* What is asked for: `count` steps from `from` on, which is a multiple of the step. */
struct wish {
    char model[METRICS_LABEL_BYTES];
    char version[METRICS_LABEL_BYTES];
    struct history_scope scope;
    int64_t step;
    int64_t from;
    size_t count;
};

static void read_scope(struct text query, struct wish *wish)
{
    text_copy(value_of(query, "model"), wish->model, sizeof wish->model);
    text_copy(value_of(query, "version"), wish->version, sizeof wish->version);
    wish->scope.model = *wish->model != '\0' ? wish->model : NULL;
    wish->scope.version = wish->scope.model != NULL && *wish->version != '\0' ? wish->version : NULL;
}

static void read_wish(struct text query, int64_t newest, struct wish *wish)
{
    read_scope(query, wish);
    wish->step = number_of(query, "step", 1, STEP_MAX, 1);
    int64_t reach = wish->step % 60 == 0 ? HISTORY_MINUTES * 60 : HISTORY_SECONDS;
    int64_t span = number_of(query, "span", 1, HISTORY_MINUTES * 60, SPAN_DEFAULT);
    int64_t since = number_of(query, "since", 0, newest, newest + 1 - span);
    if (since < newest + 1 - reach)
        since = newest + 1 - reach;
    if (since < 0)
        since = 0;
    wish->from = since - since % wish->step;
    int64_t last = newest - newest % wish->step;
    if (last - wish->from >= POINTS_MAX * wish->step)
        wish->from = last - (POINTS_MAX - 1) * wish->step;
    wish->count = (size_t)((last - wish->from) / wish->step) + 1;
}

static yyjson_mut_val *column(yyjson_mut_doc *document, const struct figure *figure,
                              const struct history_point *points, size_t count)
{
    yyjson_mut_val *array = yyjson_mut_arr(document);
    for (size_t i = 0; i < count; i++)
        yyjson_mut_arr_append(array, figures_number(document, figure->of(&points[i])));
    return array;
}

/* What is the host's alone is told beside whatever is asked for. */
static void add_host(yyjson_mut_doc *document, struct history *history, const struct wish *wish,
                     struct history_point *points)
{
    static const struct {
        const char *name;
        enum history_number number;
    } columns[] = {{"connections", HISTORY_CONNECTIONS}, {"restarts", HISTORY_RESTARTS}};
    struct history_scope host = {"", NULL};
    history_read(history, host, wish->from, wish->step, wish->count, points);
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        yyjson_mut_val *array =
            yyjson_mut_obj_add_arr(document, yyjson_mut_doc_get_root(document), columns[i].name);
        for (size_t j = 0; j < wish->count; j++)
            if (points[j].seconds > 0)
                yyjson_mut_arr_add_uint(document, array, points[j].numbers[columns[i].number]);
            else
                yyjson_mut_arr_add_null(document, array);
    }
}

char *dashboard_history(const struct dashboard_sources *sources, struct text query, size_t *length)
{
    struct wish wish = {0};
    int64_t newest = history_newest(sources->history);
    read_wish(query, newest, &wish);
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_sint(document, root, "newest", newest);
    yyjson_mut_obj_add_sint(document, root, "from", wish.from);
    yyjson_mut_obj_add_sint(document, root, "step", wish.step);
    yyjson_mut_obj_add_uint(document, root, "count", wish.count);
    struct history_point *points = object_alloc(wish.count * sizeof *points);
    history_read(sources->history, wish.scope, wish.from, wish.step, wish.count, points);
    for (size_t i = 0; i < figures_count; i++)
        yyjson_mut_obj_add_val(document, root, figures[i].name,
                               column(document, &figures[i], points, wish.count));
    if (wish.scope.model == NULL)
        add_host(document, sources->history, &wish, points);
    free(points);
    char *text = yyjson_mut_write(document, 0, length);
    yyjson_mut_doc_free(document);
    ENSURE(text != NULL);
    return text;
}
