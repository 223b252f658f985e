/* key_view: see key_view.h. SPDX-License-Identifier: MIT */
#include "key_view.h"

#include "say.h"
#include "table.h"

#include <time.h>

char *key_view_time(int64_t second, char text[KEY_VIEW_TIME_MAX])
{
    time_t time = (time_t)second;
    struct tm parts;
    if (second == 0 || gmtime_r(&time, &parts) == NULL ||
        strftime(text, KEY_VIEW_TIME_MAX, "%Y-%m-%d %H:%M UTC", &parts) == 0)
        strcpy(text, "never");
    return text;
}

static bool is_rotating(const struct api_key *key, int64_t now)
{
    return key->previous_until > now;
}

const char *key_view_state(const struct api_key *key, int64_t now)
{
    return key->expires != 0 && key->expires <= now ? "expired" : is_rotating(key, now) ? "rotating" : "good";
}

static int64_t last_used(const struct api_key *key, const struct key_uses *uses)
{
    return uses == NULL ? 0 : key_uses_last(uses, api_key_tenant(key->id));
}

void key_view_json(const struct api_key *key, const struct key_uses *uses, int64_t now,
                   yyjson_mut_doc *document, yyjson_mut_val *object)
{
    int64_t used = last_used(key, uses);
    yyjson_mut_obj_add_strcpy(document, object, "id", key->id);
    yyjson_mut_obj_add_strcpy(document, object, "name", key->name);
    yyjson_mut_obj_add_str(document, object, "state", key_view_state(key, now));
    yyjson_mut_val *scopes = yyjson_mut_obj_add_arr(document, object, "scopes");
    for (unsigned bit = 1; bit <= RIGHTS_ALL; bit <<= 1)
        if ((key->rights & bit) != 0)
            yyjson_mut_arr_add_str(document, scopes, right_text((enum right)bit));
    api_key_models_to_json(key->models, document, object);
    yyjson_mut_obj_add_int(document, object, "created", key->created);
    if (key->expires != 0)
        yyjson_mut_obj_add_int(document, object, "expires", key->expires);
    if (used != 0)
        yyjson_mut_obj_add_int(document, object, "last_used", used);
    if (is_rotating(key, now))
        yyjson_mut_obj_add_int(document, object, "previous_until", key->previous_until);
    api_key_limits_to_json(key, document, object);
}

static void add_limits(struct table *table, const struct api_key *key)
{
    char text[96] = "";
    size_t length = 0;
    const struct {
        double limit;
        const char *unit;
    } limits[] = {{key->requests_per_s, "requests/s"}, {key->rows_per_s, "rows/s"}, {key->burst, "at once"}};
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        if (limits[i].limit > 0)
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%g %s", length > 0 ? ", " : "",
                                       limits[i].limit, limits[i].unit);
    table_cell(table, TONE_PLAIN, "%s", length == 0 ? "-" : text);
}

static void add_key(struct table *table, const struct api_key *key, const struct key_uses *uses, int64_t now)
{
    char scopes[RIGHTS_TEXT_MAX], time[KEY_VIEW_TIME_MAX];
    const char *state = key_view_state(key, now);
    table_cell(table, TONE_PLAIN, "%s", key->id);
    table_cell(table, TONE_PLAIN, "%s", key->name);
    table_cell(table,
               strcmp(state, "good") == 0      ? TONE_GOOD
               : strcmp(state, "expired") == 0 ? TONE_BAD
                                               : TONE_BUSY,
               "%s", state);
    table_cell(table, TONE_PLAIN, "%s", key->rights == 0 ? "-" : rights_text(key->rights, ',', scopes));
    table_cell(table, TONE_PLAIN, "%s", *key->models == '\0' ? "all" : key->models);
    table_cell(table, TONE_PLAIN, "%s", key_view_time(key->created, time));
    table_cell(table, TONE_PLAIN, "%s", key_view_time(key->expires, time));
    table_cell(table, TONE_PLAIN, "%s", key_view_time(last_used(key, uses), time));
    add_limits(table, key);
}

void key_view_print(const struct api_keys *keys, const struct key_uses *uses, int64_t now)
{
    static const char *const heads[] = {"ID",      "NAME",    "STATE",     "SCOPES", "MODELS",
                                        "CREATED", "EXPIRES", "LAST USED", "LIMITS"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    for (size_t i = 0; i < keys->count; i++)
        add_key(table, &keys->keys[i], uses, now);
    table_print(table, stdout, say_coloured());
    table_free(table);
    if (keys->count == 0)
        puts("no keys");
}
