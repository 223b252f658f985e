/* commands: the table of commands, from which main finds them and `outrigger help` tells of them.
 * SPDX-License-Identifier: MIT */
#include "ctl.h"

#include "nearest.h"

enum { NAME_BYTES = 128 }; /* no command is half as long */

static const struct command commands[] = {
    {.name = "run",
     .summary = "start Outrigger here and stay until it is stopped",
     .options = {OPTION_CONFIG, OPTION_SET},
     .text = "Becomes the supervisor, which starts all other programs and stops them on SIGTERM, on Ctrl-C, "
             "or on\n"
             "`outrigger stop`.\n",
     .run = run_command},
    {.name = "check",
     .summary = "check configuration and models, and show what would run",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_TEMPLATE, OPTION_MODEL_TEMPLATE},
     .operands = "[FILE]",
     .text = "Reads the configuration FILE (as --config does) and the models that it names, loads each model "
             "once, tells\n"
             "every fault, and prints the plan: processes, cores, sockets, models. Exits 1 when anything is "
             "wrong.\n",
     .run = check_command},
    {.name = "status",
     .summary = "show the processes and the models that run",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_WAIT},
     .text = "Asks the supervisor and the broker. Exits 0 when both answer, 1 when one of them does not, 3 "
             "when nothing\n"
             "runs. With --wait it exits 0 as soon as every required model is ready and a frontend runs; "
             "when the time\n"
             "is over it says what is missing and exits 1.\n",
     .run = status_command},
    {.name = "top",
     .summary = "watch models and workers: rates, times, queues, memory",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_ONCE, OPTION_INTERVAL},
     .text = "On a terminal: a picture of every version of every model that is drawn anew each second. Keys: "
             "q quits, s\n"
             "sorts by another column, r looks more or less often, arrows scroll, h tells of the rest. With "
             "--once, or\n"
             "where there is no terminal, it looks twice and prints what was between; --json likewise, as "
             "one object.\n"
             "Exits 1 when the supervisor or the broker does not answer, 3 when nothing runs.\n",
     .run = top_command},
    {.name = "reload",
     .summary = "make a running Outrigger read its configuration and models again",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .text = "When anything in them is wrong, what runs stays as it is, and the reason is told. Names each "
             "changed parameter\n"
             "that running processes will only know when they have been started again, and how to do that.\n",
     .run = reload_command},
    {.name = "restart",
     .summary = "replace running processes by new ones, without a failed request",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_MODEL, OPTION_WAIT},
     .operands = "workers|frontends|broker|collector|all",
     .text =
         "One process after the other is replaced: "
         "a new worker\n"
         "or frontend is ready before the old one finishes what it has and ends; the broker and the "
         "collector are\n"
         "started again as soon as they have finished what they have. Prints what is done; with --wait at "
         "most that\n"
         "long, though the supervisor goes on. Exits 1 when it is refused, because something is under way "
         "or does not\n"
         "run, or given up, because a new process does not get ready: then the old one stays.\n",
     .run = restart_command},
    {.name = "upgrade",
     .summary = "go over to programs that were put in the place of those that run, without a failed request",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_WAIT},
     .text =
         "To be said when the files are there: of a newer release, or of the one before. The new "
         "supervisor's "
         "program\n"
         "looks at the configuration first; when it refuses, nothing has happened. Then the supervisor "
         "becomes "
         "it, in the\n"
         "same process, and replaces what is of another release as restart does. Prints what is started; "
         "with "
         "--wait at\n"
         "most that long, though the supervisor goes on. Exits 1 when it is refused, or when a process stays "
         "what it was\n"
         "because its successor does not get ready.\n",
     .run = upgrade_command},
    {.name = "models",
     .summary = "show every version of every model: what runs, why, and who gets the requests",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .text =
         "WHY is the reason for which a version runs: stable takes the traffic, next will as soon as it is "
         "ready,\n"
         "canary and rule have a part of it, shadow gets copies, previous took it before, serve is "
         "model.conf's wish,\n"
         "loaded that of the operator.\n",
     .run = models_command},
    {.name = "models list",
     .summary = "the same",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .text = "",
     .run = models_command},
    {.name = "models show",
     .summary = "show one model, with its route and what its batches cost",
     .operands = "MODEL",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .text =
         "Of each version with workers it shows what batches of 1, 2, 4, ... rows take, as measured when "
         "a worker\n"
         "started, and the fewest rows that cost hardly more than in the best batch. With batching.learned "
         "it is corrected\n"
         "by all that came back since, and what a batch has when many requests wait.\n",
     .run = models_show_command},
    {.name = "models rescan",
     .summary = "read the model repository again, not the configuration",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .text = "Needed only where supervisor.watch is off, or the file system tells nobody of changes. A model "
             "that is wrong\n"
             "stays what it was, is named, and holds up no other.\n",
     .run = models_rescan_command},
    {.name = "models digest",
     .summary = "print the digest of a version's folder",
     .operands = "FILE",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .text =
         "FILE is the folder. The digest is the SHA-256 of what this prints there, of all files but the "
         "signature:\n"
         "find -L . -type f ! -path ./model.sig -printf '%P\\0' | LC_ALL=C sort -z | xargs -0r sha256sum -z "
         "-- | sha256sum\n"
         "models and status --json show the same of versions that run, the audit log has it.\n",
     .run = models_digest_command},
    {.name = "models load",
     .summary = "run a version beside those that run",
     .operands = "MODEL [VERSION]",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_WAIT},
     .text =
         "It gets one worker, and requests that name it; it is remembered. Without VERSION: the model "
         "again that was\n"
         "unloaded as a whole. Exits 1 when it does not get ready, with the reason; then it is not loaded.\n",
     .run = models_load_command},
    {.name = "models unload",
     .summary = "end the workers of a version, or of the whole model",
     .operands = "MODEL [VERSION]",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_WAIT},
     .text = "Returns when their processes have ended. A version that takes traffic is refused; a model "
             "without any is\n"
             "answered 503 until it is loaded again.\n",
     .run = models_unload_command},
    {.name = "models reload",
     .summary = "replace the workers of a version by new ones that read its files again",
     .operands = "MODEL [VERSION]",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_WAIT},
     .text = "Without VERSION: of all versions that run. The new ones are ready before the old finish what "
             "they have and\n"
             "end; when they do not get ready the old stay.\n",
     .run = models_reload_command},
    {.name = "promote",
     .summary = "give the traffic of a model to a version",
     .operands = "MODEL VERSION",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_WAIT},
     .text =
         "The version is loaded if need be; as soon as all its workers are ready the traffic moves, without "
         "a failed\n"
         "request, and stays there whatever appears in the repository. VERSION latest: as model.conf says, "
         "else always\n"
         "the highest. When it does not get ready everything stays as it was, and the exit status is 1.\n",
     .run = promote_command},
    {.name = "rollback",
     .summary = "give the traffic back to the version that had it before",
     .operands = "MODEL",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_WAIT},
     .text =
         "At once when that still runs (model.conf: keep_previous), with the workers that it has; more are "
         "started. A\n"
         "promotion under way is called off instead. Again, and the two change places once more.\n",
     .run = rollback_command},
    {.name = "route",
     .summary = "show or say which versions of a model get which requests",
     .operands = "MODEL [show|set|reset] [JSON]",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_WAIT, OPTION_CANARY, OPTION_BY, OPTION_RULE,
                 OPTION_SHADOW, OPTION_FORCE_HEADER, OPTION_FORCE_FROM},
     .text =
         "A route is said as a whole, by options (which mean set) or as JSON in the form that show prints, "
         "and\n"
         "overrides model.conf's until reset. Versions that it names are loaded first; it holds when all "
         "are ready.\n",
     .run = route_command},
    {.name = "accuracy",
     .summary = "show how right the answers of each version were",
     .operands = "[MODEL]",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .text =
         "Over the last predictions whose truth POST /api/v1/feedback has told (feedback.window). KNOWN: how "
         "many. Two\n"
         "classes: the area under the ROC curve and the Brier score, too; a regression: mean absolute and "
         "root mean\n"
         "squared error.\n",
     .run = accuracy_command},
    {.name = "profile",
     .summary =
         "keep how a version's inputs and scores are distributed in a table, for drift to be told against",
     .operands = "MODEL[:VERSION] FILE",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_ROWS, OPTION_BINS, OPTION_SCORE_COLUMN,
                 OPTION_OUTPUT},
     .text =
         "FILE is a table of CSV with rows that the version is known to be good for, as those that it was "
         "trained with:\n"
         "columns as in requests, others are passed over. The version, the stable one unless it is said, "
         "must run: it is\n"
         "asked for its scores through the broker. What comes of it is written to "
         "MODEL/baseline-VERSION.json in\n"
         "models_directory, beside the version's own folder, which digests and signatures are of. "
         "The collector looks for it\n"
         "every few seconds: see outrigger drift.\n",
     .run = profile_command},
    {.name = "validate",
     .summary = "judge a version by rows whose truth is known, before it serves",
     .operands = "MODEL[:VERSION]",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_DATA, OPTION_TARGET, OPTION_VALIDATE_AGAINST,
                 OPTION_THRESHOLD, OPTION_RUNNING, OPTION_ROWS, OPTION_WAIT, OPTION_JUNIT, OPTION_REPORT,
                 OPTION_NICE, OPTION_QUIET, OPTION_UNLESS},
     .text =
         "Nothing need run: the version, the highest unless it is said, is started as it would be to serve, "
         "in its sandbox,\n"
         "with its golden requests, behind a broker of its own, and ended again. The rows are asked for in "
         "order, shuffled,\n"
         "and some alone, then rows at the edges of what model.conf says of its inputs. Checked are: "
         "accuracy and AUC (of a\n"
         "regression MAE, RMSE, R2), the time a row, no NaN, outputs within their range, the predictions' "
         "distribution where\n"
         "there is a baseline, the same answers in any order and batch, values beyond the schema refused. "
         "What is good enough\n"
         "stands in the section validation of model.conf(5); with gate = true there no "
         "version serves before\n"
         "it has passed. Exits 0 when it has, 1 when a check failed, 2 when nothing could be checked. Waits "
         "an hour, or what\n"
         "--wait says.\n",
     .run = validate_command},
    {.name = "optimize",
     .summary = "make a smaller or faster version of a model, and tell what that costs",
     .operands = "MODEL[:VERSION]",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_DATA, OPTION_TARGET, OPTION_METHOD,
                 OPTION_CALIBRATE, OPTION_PRUNE, OPTION_DISTILL, OPTION_HIDDEN, OPTION_OPTIMIZE_FROM,
                 OPTION_MAX_ACCURACY_DROP, OPTION_ROWS, OPTION_DRY_RUN},
     .text =
         "Nothing need run. The version, the highest unless it is said, is rewritten, and both are asked by "
         "the engine and in\n"
         "the sandbox that serve, by the rows of --data: what a row takes in batches of 1, 8, 32 and 128, "
         "how "
         "right the\n"
         "answers are, how far they are apart at most (DIFFERENCE), in how many the prediction is the SAME, "
         "and how far an\n"
         "answer is from that to the row ALONE. What is good enough becomes the next version, with a "
         "golden.json of its own;\n"
         "an Outrigger that runs takes it up as any new version. Exits 1 when it is not, or cannot be made. "
         "--dry-run makes\n"
         "none. Small models do not get faster by 8 bits, nor any by zeros: see the table.\n",
     .run = optimize_command},
    {.name = "drift",
     .summary = "show how far what models are asked, and answer, is from their profiles",
     .operands = "[MODEL]",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .text =
         "Of a sample of the rows that were answered (drift.rows_per_s), the last ones (drift.window, "
         "drift.window_s).\n"
         "PSI, the population stability index: below 0.1 the feature is stable, below 0.25 it has changed "
         "moderately, above\n"
         "it has drifted; KS, the statistic of Kolmogorov and Smirnov; MISSING: no value; OUT OF RANGE: "
         "beyond all that\n"
         "outrigger profile saw. The collector keeps the window in its memory: started again it begins "
         "anew.\n",
     .run = drift_command},
    {.name = "stats",
     .summary = "show what all processes have counted, or what they tell as it comes",
     .operands = "[METRIC]",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_FOLLOW, OPTION_TOPIC},
     .text = "The sums, as /metrics has them; METRIC: only of those with that in their names. P50, P95 and "
             "P99 are "
             "bounds of the\n"
             "buckets that they lie in. With --follow each snapshot of each process is printed as it comes "
             "(common/STATS.md), "
             "in\n"
             "the units of that page; with --json each is an object on a line of its own.\n",
     .run = stats_command},
    {.name = "scale",
     .summary = "say how many workers a model has, or between which numbers it finds out itself",
     .operands = "MODEL [WORKERS]",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_WAIT, OPTION_MIN, OPTION_MAX, OPTION_RESET},
     .text =
         "WORKERS: so many, whatever the load. --min and --max: as many as the load needs. --reset: as "
         "model.conf says\n"
         "again. Without any of them: tells how it is. What is said is remembered, and holds for each "
         "version "
         "that takes\n"
         "traffic. No request fails: those that are too many finish what they have. 0 is for a model that "
         "may be without\n"
         "workers (--min 0): they end, and the next request starts one. Returns when all are ready, and "
         "those that are\n"
         "too many have ended.\n",
     .run = scale_command},
    {.name = "stop",
     .summary = "stop a running Outrigger in order",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_WAIT},
     .text = "Requests that are on their way are still answered. Waits until everything is stopped; with "
             "--wait at\n"
             "most that long.\n",
     .run = stop_command},
    {.name = "flight",
     .summary = "show the last requests, what became of them and how long it took",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_MODEL, OPTION_STATUS, OPTION_SLOW,
                 OPTION_LAST, OPTION_FOLLOW},
     .text =
         "Of each frontend the last predictions, and what else failed (5xx), are recorded (flight.requests) "
         "in\n"
         "runtime_directory/flight, which a kill -9 does not touch: nothing need run. The last 50 are shown, "
         "or what --last\n"
         "says. With flight.payload = full what was asked is kept as well: see outrigger replay --against.\n",
     .run = flight_command},
    {.name = "replay",
     .summary = "send a request that workers died of once more, or the last requests to another version",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_LIST, OPTION_REPLAY_MODEL,
                 OPTION_REPLAY_VERSION, OPTION_WAIT, OPTION_AGAINST, OPTION_LAST,
                 OPTION_REPLAY_MIN_AGREEMENT},
     .operands = "[FILE]",
     .text =
         "A request that is answered 422 because workers died of it is kept in state_directory/quarantine.\n"
         "This sends it again, to the version that --version names, through the broker, and prints what\n"
         "comes of it. A version that still dies of it costs max_kills workers again, and the request is\n"
         "kept once more. FILE is a path, or a name that --list shows. Waits at most 30 seconds, or what\n"
         "--wait says. Exits 0 when there is an answer, 3 when no broker runs.\n"
         "With --against the last requests of one model that are recorded with their tensors (flight.payload "
         "= full), 1000 or\n"
         "what --last says, are asked of the versions that answered them and of VERSION, both now, and the "
         "answers are\n"
         "compared: how many rows agree, how far numbers differ, and which requests differ most. Exits 1 "
         "when "
         "fewer agree\n"
         "than --min-agreement.\n",
     .run = replay_command},
    {.name = "rollout",
     .summary = "let a version take over step by step, or not at all",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_STEPS, OPTION_EVERY, OPTION_MAX_ERROR_RATE,
                 OPTION_MAX_P99, OPTION_MIN_AGREEMENT, OPTION_MIN_ACCURACY, OPTION_MIN_REQUESTS, OPTION_WAIT},
     .operands = "MODEL VERSION",
     .text =
         "Starts the version beside the stable one and gives it more and more of the requests. Twice a "
         "second what became\n"
         "of them is compared with the bounds and with the stable version. One that surely breaks a bound, "
         "fails more than\n"
         "twice as often or is more than 1.5 times as slow is rolled back at once: the route is what it was, "
         "and the\n"
         "version stays loaded, without requests. One that has had too few requests for a step waits. After "
         "the last step\n"
         "it is the stable version. Each decision stands in state_directory/audit with its figures. With "
         "--wait the\n"
         "decisions are printed as they come, and the exit status is 0 only when the version has become "
         "stable.\n",
     .run = rollout_command},
    {.name = "rollout status",
     .summary = "show how far roll-outs are, what they go by and what was decided",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_FIELD, OPTION_WAIT},
     .operands = "[MODEL]",
     .text =
         "The last one of each model. With --wait (and a model) decisions are printed as they come until it "
         "has ended.\n",
     .run = rollout_status_command},
    {.name = "rollout pause",
     .summary = "let a roll-out go no further for now",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .operands = "MODEL",
     .text = "The version keeps its share. What breaks a bound is rolled back all the same.\n",
     .run = rollout_pause_command},
    {.name = "rollout resume",
     .summary = "let it go on",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .operands = "MODEL",
     .text = "",
     .run = rollout_resume_command},
    {.name = "rollout abort",
     .summary = "end a roll-out and make the route what it was",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .operands = "MODEL",
     .text = "",
     .run = rollout_abort_command},
    {.name = "batch",
     .summary = "score the rows of a table or a file: SQLite, PostgreSQL, CSV, JSON lines",
     .operands = "[FILE]",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JOB_SET, OPTION_FROM, OPTION_TO, OPTION_REJECTS,
                 OPTION_MAX_REJECTS, OPTION_JOB_MODEL, OPTION_JOB_VERSION, OPTION_BATCH_SIZE, OPTION_LIMIT,
                 OPTION_RATE, OPTION_BATCH_WINDOW, OPTION_CREATE, OPTION_OVERWRITE, OPTION_JOB_NAME,
                 OPTION_JOB_JSON, OPTION_DRY_RUN, OPTION_JOB_TEMPLATE},
     .text = "FILE is a job file; options override it. Becomes outrigger-batch, which scores each row once, "
             "however often "
             "it is\n"
             "killed and started again, behind all online requests. Several of them may share one table. "
             "Exits 0 when all "
             "rows\n"
             "are done, 1 when it cannot go on, 2 when the job is wrong, 3 when nothing runs, 4 when there "
             "were more "
             "rejects\n"
             "than --max-rejects, 5 when it was interrupted; what was done by then is kept.\n",
     .run = job_command},
    {.name = "stream",
     .summary = "score the messages of a stream: Kafka, Redis Streams",
     .operands = "[FILE]",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JOB_SET, OPTION_FROM, OPTION_TO, OPTION_DEAD_LETTER,
                 OPTION_SKIP_BAD, OPTION_JOB_MODEL, OPTION_JOB_VERSION, OPTION_FORMAT, OPTION_EXACTLY_ONCE,
                 OPTION_RATE, OPTION_WINDOW, OPTION_JOB_NAME, OPTION_JOB_JSON, OPTION_DRY_RUN,
                 OPTION_JOB_TEMPLATE},
     .text =
         "FILE is a job file; options override it. Becomes outrigger-stream, which takes messages of a group "
         "from one\n"
         "stream, asks the workers through the broker, behind all online requests, and puts answers into "
         "another; it\n"
         "stays until it is stopped. SIGTERM: what is in hand is finished first. Exits 0 when it was stopped "
         "so, 1 when it\n"
         "cannot go on, 2 when the job is wrong, 3 when nothing runs, 4 at a message that cannot be scored "
         "when there are\n"
         "no dead letters, 5 when something was not finished in time: that comes again.\n",
     .run = job_command},
    {.name = "keygen",
     .summary = "make a pair of keys for connections over tcp",
     .options = {OPTION_JSON, OPTION_KEY_NAME, OPTION_KEY_DIRECTORY},
     .text = "Writes NAME.key, which may be given away, and NAME.key_secret, which stays on its host, to the "
             "working\n"
             "directory or to DIRECTORY, and prints the public key. NAME is the host's unless it is given. "
             "Files that are\n"
             "there already are never overwritten. The broker's secret is named by broker.curve_secret_file; "
             "a worker's by\n"
             "worker.curve_secret_file, its public key goes to broker.curve_allow.\n",
     .run = keygen_command},
    {.name = "key",
     .summary = "show the API keys of clients",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .text = "Nothing that is shown, or kept in auth.keys_file, can be used as a key. ID is public: it names "
             "the key in logs\n"
             "and to the other verbs. LAST USED may be a minute behind. Changes need no running Outrigger; "
             "frontends that run\n"
             "know them within a second.\n",
     .run = key_command},
    {.name = "key list",
     .summary = "the same",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON},
     .text = "",
     .run = key_command},
    {.name = "key add",
     .summary = "make a key, which is shown this once",
     .operands = "NAME",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_KEY_SCOPES, OPTION_KEY_MODELS,
                 OPTION_KEY_EXPIRES, OPTION_KEY_REQUESTS, OPTION_KEY_ROWS, OPTION_KEY_BURST},
     .text =
         "NAME is for people: who has the key, or what it is for. Clients send it as X-API-Key: KEY, or as\n"
         "Authorization: Bearer KEY.\n",
     .run = key_add_command},
    {.name = "key rotate",
     .summary = "give a key another secret, while the old one is good for a time",
     .operands = "KEY",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_KEY_GRACE, OPTION_KEY_EXPIRES},
     .text =
         "KEY is its id, or its name where one alone has it. Id, scopes, models and limits stay. A second "
         "rotation ends the\n"
         "grace of the first.\n",
     .run = key_rotate_command},
    {.name = "key revoke",
     .summary = "end a key, within a second",
     .operands = "KEY",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_KEY_PREVIOUS},
     .text = "KEY is its id, or its name where one alone has it.\n",
     .run = key_revoke_command},
    {.name = "audit",
     .summary = "show or verify the audit log: who was let in, and who changed what",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_AUDIT_JSON, OPTION_SINCE, OPTION_FOLLOW,
                 OPTION_AUDIT_DIRECTORY},
     .text = "Without a verb: shows it. It reads the files in state_directory/audit alone, so nothing need "
             "run.\n",
     .run = audit_show_command},
    {.name = "audit show",
     .summary = "show the lines of all processes in the order of their times",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_AUDIT_JSON, OPTION_SINCE, OPTION_FOLLOW,
                 OPTION_AUDIT_DIRECTORY},
     .text = "Each line: when, which process wrote it, the event, and what else it says as NAME=VALUE.\n",
     .run = audit_show_command},
    {.name = "audit verify",
     .summary = "find lines of the audit log that were changed, moved, taken out or cut off",
     .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_AUDIT_DIRECTORY},
     .text =
         "Each line names the SHA-256 of the line before, over all files of a process; what does not fit is "
         "named by\n"
         "file and line. Old files that were removed (audit.keep) are no fault: the log says up to which "
         "line. Who can\n"
         "write to the folder can make a whole new chain: copies elsewhere are what tells that. Exits 0 when "
         "every\n"
         "chain is whole, 1 when one is not, or there is none.\n",
     .run = audit_verify_command},
    {.name = "completion",
     .summary = "print what makes a shell complete our commands",
     .operands = "bash|zsh|fish",
     .text =
         "Completes commands, verbs, options, parameters and the names of models and versions: those that "
         "run,\n"
         "or where nothing runs those of the repository. `make install` puts the files where the shells "
         "look.\n"
         "Else: eval \"$(outrigger completion bash)\" in ~/.bashrc; outrigger completion zsh "
         ">FOLDER/_outrigger\n"
         "with the FOLDER in $fpath; outrigger completion fish >~/.config/fish/completions/outrigger.fish.\n",
     .run = completion_command},
    {.name = "complete",
     .summary = "answer a shell's completion",
     .text = "",
     .run = complete_command,
     .hidden = true,
     .raw = true},
    {.name = "version",
     .summary = "print the version of Outrigger",
     .options = {OPTION_JSON},
     .text = "",
     .run = version_command},
    {.name = "help",
     .summary = "tell about a command",
     .options = {OPTION_JSON},
     .operands = "[COMMAND] [VERB]",
     .text = "",
     .run = help_command},
};

const struct command *command_at(size_t index)
{
    return index < COUNT_OF(commands) ? &commands[index] : NULL;
}

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

const struct command *command_of(const char *const *words, size_t count, size_t *used)
{
    char both[2 * NAME_BYTES];
    const struct command *verb = NULL;
    snprintf(both, sizeof both, "%s %s", words[0], count > 1 ? words[1] : "");
    if (count > 1)
        verb = command_find(both);
    const struct command *command = verb != NULL ? verb : command_find(words[0]);
    *used = verb != NULL ? 2 : command != NULL ? 1 : 0;
    return command;
}

bool command_is_verb_of(const struct command *command, const char *name)
{
    size_t length = strlen(name);
    return strncmp(command->name, name, length) == 0 && command->name[length] == ' ';
}

bool command_takes(const struct command *command, enum option_id id)
{
    for (size_t i = 0; command->options[i] != OPTION_END; i++)
        if (command->options[i] == id)
            return true;
    return false;
}

/* What is to be typed behind `of`: the verb of that command, with "" the command itself; NULL for none. */
static const char *last_word(const struct command *command, const char *of)
{
    if (*of != '\0')
        return command_is_verb_of(command, of) ? command->name + strlen(of) + 1 : NULL;
    return strchr(command->name, ' ') == NULL ? command->name : NULL;
}

const char *command_nearest(const char *of, const char *word)
{
    const char *nearest = NULL;
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const char *name = commands[i].hidden ? NULL : last_word(&commands[i], of);
        if (name != NULL && nearest_plausible(name, word) &&
            (nearest == NULL || nearest_distance(name, word) < nearest_distance(nearest, word)))
            nearest = name;
    }
    return nearest;
}
