/* audited: one line for a request, written when it is answered.
 *
 * What the request says is gone by then, so address, size and (of a sampled prediction) the body or its
 * digest are noted when it begins. The line goes to a queue in memory (audit_log.c): no request waits for a
 * disk. SPDX-License-Identifier: MIT */
#include "audited.h"

#include "api.h"
#include "audit_log.h"
#include "clock.h"
#include "hex.h"
#include "sha256.h"
#include "utf8.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum { AUDITED_MAGIC = 0x0a0d17ed };

enum access { ACCESS_ALL, ACCESS_REFUSED, ACCESS_NONE };

struct audited {
    unsigned magic;
    struct audit_log *log;
    enum access access;
    uint64_t per_mille;
    bool hash, full;
    size_t max_payload;
    struct sha256 *sha256; /* for the hash */
    uint64_t predictions;  /* atomic; since the beginning */
    struct audit_entry entry;
};

struct audited_sample {
    char digest[2 * SHA256_BYTES + 1]; /* "": not told */
    size_t length;                     /* of what is kept of the body: all of it or nothing */
    char body[];
};

bool audited_wanted(const struct config *config)
{
    return strcmp(config->audit_access, "none") != 0 || config->audit_predictions_per_mille > 0;
}

struct audited *audited_new(const struct config *config, struct audit_log *log)
{
    struct audited *audited = object_alloc(sizeof *audited);
    audited->magic = AUDITED_MAGIC;
    audited->log = log;
    if (log == NULL)
        return audited;
    const char *access = config->audit_access, *payload = config->audit_payload;
    audited->access = strcmp(access, "all") == 0       ? ACCESS_ALL
                      : strcmp(access, "refused") == 0 ? ACCESS_REFUSED
                                                       : ACCESS_NONE;
    audited->per_mille = (uint64_t)config->audit_predictions_per_mille;
    audited->full = strcmp(payload, "full") == 0;
    audited->hash = audited->full || strcmp(payload, "hash") == 0;
    audited->sha256 = sha256_new();
    audited->max_payload = (size_t)config->audit_max_payload_bytes;
    return audited;
}

void audited_free(struct audited *audited)
{
    if (audited == NULL)
        return;
    CHECK_OBJECT(audited, AUDITED_MAGIC);
    audit_entry_free(&audited->entry);
    sha256_free(audited->sha256);
    audited->magic = 0;
    free(audited);
}

bool audited_accepts(struct audited *audited)
{
    CHECK_OBJECT(audited, AUDITED_MAGIC);
    if (audited->log == NULL || audit_log_accepts(audited->log))
        return true;
    audit_log_refused(audited->log);
    return false;
}

/* ---- the beginning ---- */

/* True for per_mille of a thousand predictions, evenly. */
static bool is_sampled(struct audited *audited)
{
    if (audited->per_mille == 0)
        return false;
    uint64_t number = __atomic_fetch_add(&audited->predictions, 1, __ATOMIC_RELAXED);
    return number * audited->per_mille % 1000 < audited->per_mille;
}

static struct audited_sample *sample(const struct audited *audited, const struct http_request *request)
{
    bool keep = audited->full && request->body_length <= audited->max_payload;
    struct audited_sample *sample = object_alloc(sizeof *sample + (keep ? request->body_length : 0));
    uint8_t digest[SHA256_BYTES];
    if (audited->hash) {
        sha256_of(audited->sha256, (struct text){request->body, request->body_length}, digest);
        hex_write(sample->digest, digest, SHA256_BYTES);
    }
    if (keep && request->body_length > 0)
        memcpy(sample->body, request->body, request->body_length);
    sample->length = keep ? request->body_length : 0;
    return sample;
}

void audited_begin(const struct audited *audited, const struct http_request *request,
                   struct audited_note *note)
{
    CHECK_OBJECT(audited, AUDITED_MAGIC);
    note->bytes = request->body_length;
}

void audited_sample(struct audited *audited, const struct http_request *request, struct audited_note *note)
{
    CHECK_OBJECT(audited, AUDITED_MAGIC);
    if (audited->log != NULL && is_sampled(audited))
        note->sample = sample(audited, request);
}

void audited_note_drop(struct audited_note *note)
{
    free(note->sample);
    *note = (struct audited_note){0};
}

/* ---- the end ---- */

static bool was_refused(const struct http_response *response)
{
    return response->status == 401 || response->status == 403 || response->status == 429;
}

static bool has_line(const struct audited *audited, const struct api_call *call,
                     const struct http_response *response)
{
    if (audited->log == NULL)
        return false;
    if (call->note.sample != NULL)
        return true;
    if (call->call == CALL_HEALTH || call->call == CALL_READY)
        return false; /* everybody may, often */
    return audited->access == ACCESS_ALL || (audited->access == ACCESS_REFUSED && was_refused(response));
}

static void add_name(struct audit_entry *entry, const char *name, const char *value)
{
    if (*value != '\0')
        audit_entry_text(entry, name, text_of(value));
}

/* Who asks, as far as it was found out, from where, and why not. */
static void add_who(struct audit_entry *entry, const struct api_call *call)
{
    const struct identity *identity = &call->identity;
    char address[ADDRESS_TEXT_MAX];
    if (identity->kind != IDENTITY_NOBODY)
        audit_entry_text(entry, "by", text_of(auth_kind_label(identity->kind)));
    add_name(entry, "who", identity->name);
    add_name(entry, "address", address_text(&identity->address, address));
    audit_entry_text(entry, "auth", text_of(auth_outcome_label(identity->outcome)));
    if (identity->why != NULL)
        audit_entry_text(entry, "why", text_of(identity->why));
}

/* Bytes that are text as they are, else in base64: what is told must be what came. */
static void add_body(struct audit_entry *entry, const char *body, size_t length)
{
    if (utf8_ok((struct text){body, length})) {
        audit_entry_text(entry, "payload", (struct text){body, length});
        return;
    }
    char *text = object_alloc(length * 4 / 3 + 8);
    int encoded = EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)body, (int)length);
    audit_entry_text(entry, "payload_base64", (struct text){text, (size_t)encoded});
    free(text);
}

/* Which version it was, and, when it has said so, which files. */
static void add_version(struct audit_entry *entry, const struct api_call *call)
{
    const struct catalog_version *version = call->version;
    if (*call->answered_version != '\0' && version != NULL &&
        strcmp(version->name, call->answered_version) != 0)
        version = catalog_version(call->model, text_of(call->answered_version));
    add_name(entry, "version", api_call_version(call));
    if (version != NULL && version->schema != NULL)
        add_name(entry, "digest", schema_digest(version->schema));
}

static void add_model(struct audit_entry *entry, const struct api_call *call)
{
    if (call->model == NULL)
        return;
    add_name(entry, "model", call->model->name);
    add_version(entry, call);
    audit_entry_number(entry, "rows", call->ask.rows);
}

void audited_end(struct audited *audited, const struct api_call *call, const struct http_response *response)
{
    CHECK_OBJECT(audited, AUDITED_MAGIC);
    if (!has_line(audited, call, response))
        return;
    struct audit_entry *entry = &audited->entry;
    const struct audited_sample *sample = call->note.sample;
    audit_entry_begin(entry, clock_wall(), sample == NULL ? "access" : "prediction");
    audit_entry_text(entry, "request", text_of(call->id));
    add_who(entry, call);
    audit_entry_text(entry, "call", text_of(call_label(call->call)));
    add_model(entry, call);
    audit_entry_text(entry, "decision", text_of(was_refused(response) ? "refused" : "granted"));
    audit_entry_number(entry, "status", (uint64_t)response->status);
    if (response->kind != NULL)
        audit_entry_text(entry, "kind", text_of(response->kind));
    audit_entry_number(entry, "bytes_in", call->note.bytes);
    audit_entry_number(entry, "bytes_out", http_response_bytes(response));
    audit_entry_number(entry, "us", (uint64_t)(call->duration / MICROSECOND));
    if (sample != NULL && *sample->digest != '\0')
        audit_entry_text(entry, "payload_sha256", text_of(sample->digest));
    if (sample != NULL && sample->length > 0)
        add_body(entry, sample->body, sample->length);
    audit_entry_end(entry);
    audit_log_add(audited->log, entry);
}
