/* validate_report: see validate_report.h. Used by `outrigger validate` (validate_command.c), filled by
 * validate_judging.c. SPDX-License-Identifier: MIT */
#include "validate_report.h"

#include "table.h"
#include "utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <time.h>

static bool holds(double value, const char *relation, double threshold)
{
    if (strcmp(relation, ">") == 0)
        return value > threshold;
    if (strcmp(relation, ">=") == 0)
        return value >= threshold;
    return strcmp(relation, "<") == 0 ? value < threshold : value <= threshold;
}

void validation_add(struct validation *validation, const char *name, enum check_result result, double value,
                    const char *relation, double threshold, const char *format, ...)
{
    ENSURE(validation->count < CHECKS_MAX);
    struct check *check = &validation->checks[validation->count++];
    *check = (struct check){
        .name = name, .result = result, .value = value, .relation = relation, .threshold = threshold};
    if (relation != NULL && result == CHECK_PASSED && !holds(value, relation, threshold))
        check->result = CHECK_FAILED;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(check->note, sizeof check->note, format, arguments);
    va_end(arguments);
    /* It quotes what stands in tables, and may be cut within a character. */
    for (char *at = check->note; *at != '\0' && !utf8_ok(text_of(check->note)); at++)
        *at = (unsigned char)*at >= 0x80 ? '?' : *at;
}

size_t validation_count(const struct validation *validation, enum check_result result)
{
    size_t count = 0;
    for (size_t i = 0; i < validation->count; i++)
        count += validation->checks[i].result == result;
    return count;
}

bool validation_passed(const struct validation *validation)
{
    return validation_count(validation, CHECK_FAILED) == 0 && validation_count(validation, CHECK_PASSED) > 0;
}

static const char *result_name(enum check_result result)
{
    return result == CHECK_PASSED ? "passed" : result == CHECK_FAILED ? "failed" : "skipped";
}

/* ---- for people ---- */

void validation_print(const struct validation *validation, FILE *out, bool coloured)
{
    static const char *const heads[] = {"CHECK", ">VALUE", "THRESHOLD", "RESULT", "NOTE"};
    static const enum tone tones[] = {
        [CHECK_PASSED] = TONE_GOOD, [CHECK_FAILED] = TONE_BAD, [CHECK_SKIPPED] = TONE_PLAIN};
    struct table *table = table_new(heads, COUNT_OF(heads));
    for (size_t i = 0; i < validation->count; i++) {
        const struct check *check = &validation->checks[i];
        table_cell(table, TONE_PLAIN, "%s", check->name);
        if (isnan(check->value))
            table_cell(table, TONE_PLAIN, "-");
        else
            table_cell(table, TONE_PLAIN, "%.6g", check->value);
        if (check->relation == NULL)
            table_cell(table, TONE_PLAIN, "-");
        else
            table_cell(table, TONE_PLAIN, "%s %g", check->relation, check->threshold);
        table_cell(table, tones[check->result], "%s", result_name(check->result));
        table_cell(table, TONE_PLAIN, "%s", check->note);
    }
    table_print(table, out, coloured);
    table_free(table);
    size_t failed = validation_count(validation, CHECK_FAILED);
    fprintf(out, "%s %s: ", validation->model, validation->version);
    if (failed > 0)
        fprintf(out, "%zu of %zu checks failed", failed, validation->count);
    else
        fprintf(out, "%s", validation_passed(validation) ? "passed" : "nothing was checked");
    fprintf(out, ", by %zu rows of %s in %.1f s\n", validation->rows, validation->data, validation->seconds);
}

/* ---- for programs ---- */

static void time_text(int64_t ms, char text[32])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static void add_number(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, double number)
{
    if (isfinite(number))
        yyjson_mut_obj_add_real(document, object, name, number);
}

static void add_text(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, const char *text)
{
    if (*text != '\0')
        yyjson_mut_obj_add_strcpy(document, object, name, text);
}

void validation_to_json(const struct validation *validation, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    char when[32];
    time_text(validation->began_ms, when);
    yyjson_mut_obj_add_strcpy(document, object, "model", validation->model);
    yyjson_mut_obj_add_strcpy(document, object, "version", validation->version);
    add_text(document, object, "digest", validation->digest);
    add_text(document, object, "against", validation->against);
    yyjson_mut_obj_add_strcpy(document, object, "data", validation->data);
    yyjson_mut_obj_add_uint(document, object, "rows", validation->rows);
    yyjson_mut_obj_add_strcpy(document, object, "time", when);
    yyjson_mut_obj_add_real(document, object, "seconds", validation->seconds);
    yyjson_mut_obj_add_bool(document, object, "passed", validation_passed(validation));
    yyjson_mut_val *checks = yyjson_mut_obj_add_arr(document, object, "checks");
    for (size_t i = 0; i < validation->count; i++) {
        const struct check *check = &validation->checks[i];
        yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, checks);
        yyjson_mut_obj_add_str(document, entry, "name", check->name);
        yyjson_mut_obj_add_str(document, entry, "result", result_name(check->result));
        add_number(document, entry, "value", check->value);
        if (check->relation != NULL) {
            yyjson_mut_obj_add_str(document, entry, "relation", check->relation);
            add_number(document, entry, "threshold", check->threshold);
        }
        add_text(document, entry, "note", check->note);
    }
}

/* ---- for CI ---- */

/* As the value of an attribute. What XML 1.0 has no way to say, and what is no ASCII and may be no UTF-8
 * either, is '?'. */
static void put_escaped(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
            fprintf(out, "&#%d;", c);
        else
            fputc(c < ' ' || c >= 0x7f ? '?' : c, out);
    }
}

static void put_attribute(const char *name, const char *text, FILE *out)
{
    fprintf(out, " %s=\"", name);
    put_escaped(text, out);
    fputc('"', out);
}

static void put_case(const struct check *check, const char *class, FILE *out)
{
    char message[CHECK_NOTE_MAX + 128] = "";
    if (check->relation != NULL && check->result == CHECK_FAILED)
        snprintf(message, sizeof message, "%g, and it must be %s %g", check->value, check->relation,
                 check->threshold);
    if (*check->note != '\0')
        snprintf(message + strlen(message), sizeof message - strlen(message), "%s%s",
                 *message == '\0' ? "" : ": ", check->note);
    fputs("    <testcase", out);
    put_attribute("name", check->name, out);
    put_attribute("classname", class, out);
    fputs(" time=\"0\"", out);
    if (check->result == CHECK_PASSED) {
        fputs("/>\n", out);
        return;
    }
    fputs(">\n      ", out);
    fputs(check->result == CHECK_FAILED ? "<failure type=\"threshold\"" : "<skipped", out);
    put_attribute("message", message, out);
    fputs("/>\n    </testcase>\n", out);
}

static void put_property(const char *name, const char *value, FILE *out)
{
    fputs("      <property", out);
    put_attribute("name", name, out);
    put_attribute("value", value, out);
    fputs("/>\n", out);
}

void validation_to_junit(const struct validation *validation, FILE *out)
{
    char name[2 * PROTOCOL_NAME_MAX + 32], class[PROTOCOL_NAME_MAX + 32], when[32], counts[160], rows[32];
    time_text(validation->began_ms, when);
    when[19] = '\0'; /* JUnit's schema has no zone */
    snprintf(name, sizeof name, "%s %s", validation->model, validation->version);
    snprintf(class, sizeof class, "outrigger.validate.%s", validation->model);
    snprintf(counts, sizeof counts,
             " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" time=\"%.3f\"", validation->count,
             validation_count(validation, CHECK_FAILED), validation_count(validation, CHECK_SKIPPED),
             validation->seconds);
    snprintf(rows, sizeof rows, "%zu", validation->rows);
    fprintf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites%s>\n  <testsuite", counts);
    put_attribute("name", name, out);
    fprintf(out, "%s timestamp=\"%s\" hostname=\"localhost\">\n    <properties>\n", counts, when);
    put_property("data", validation->data, out);
    put_property("rows", rows, out);
    put_property("digest", validation->digest, out);
    put_property("against", validation->against, out);
    fputs("    </properties>\n", out);
    for (size_t i = 0; i < validation->count; i++)
        put_case(&validation->checks[i], class, out);
    fputs("  </testsuite>\n</testsuites>\n", out);
}
