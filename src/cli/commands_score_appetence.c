// commands_score_appetence: `rapport score appetence`: a model learned from a workspace, its report, and what it says
// of each customer.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/csv.h"
#include "cli/ask.h"
#include "cli/progress.h"
#include "cli/score.h"
#include "cli/stop.h"
#include "cli/target.h"
#include "customer/record.h"
#include "engine/appetence.h"

enum { BAR_COLUMNS = 30 };

struct scoring {
  struct cli *cli;
  struct bytes range;
  double days;
};

// --- the model -----------------------------------------------------------------------------------------------

static void write_head(const struct appetence *appetence, struct buffer *out) {
  struct json_writer writer;
  json_writer_init(&writer, out);
  json_object_begin(&writer);
  engine_appetence_write(appetence, &writer);
  json_object_end(&writer);
  buffer_append_byte(out, '\n');
}

// --- customers -----------------------------------------------------------------------------------------------

static void put_csv(const struct appetence_customer *customer, const char *id, struct buffer *out) {
  buffer_append_format(out, "%s,%.6f,%u,%u\n", id, customer->probability, customer->decile, customer->orders);
}

static void put_json(const struct appetence_customer *customer, const char *id, struct buffer *out) {
  struct json_writer writer;
  json_writer_init(&writer, out);
  json_object_begin(&writer);
  json_member_text(&writer, "customer_id", id);
  score_put_real(&writer, "probability", customer->probability, 6);
  json_member_u64(&writer, "decile", customer->decile);
  json_member_u64(&writer, "orders", customer->orders);
  json_object_end(&writer);
  buffer_append_byte(out, '\n');
}

static enum err write_lines(const struct scoring *scoring, const struct appetence *appetence, enum score_format format,
                            struct diag *diag) {
  struct buffer *out = &scoring->cli->out, head;
  enum err err = ERR_OK;
  buffer_init(&head);
  write_head(appetence, &head);
  if (head.failed) err = diag_no_memory(diag);
  if (err == ERR_OK && format == SCORE_CSV) {
    fprintf(stderr, "%.*s", (int)head.size_bytes, (const char *)head.data);
    buffer_append_text(out, "customer_id,probability,decile,orders\n");
  } else {
    buffer_append_bytes(out, buffer_view(&head));
  }
  buffer_release(&head);
  for (size_t i = 0; i < appetence->count && err == ERR_OK; i++) {
    char id[CUSTOMER_ID_TEXT_BYTES];
    customer_id_format(appetence->customers[i].id, id);
    (format == SCORE_CSV ? put_csv : put_json)(&appetence->customers[i], id, out);
    err = score_flush(scoring->cli, diag);
  }
  return err;
}

// --- the picture ---------------------------------------------------------------------------------------------

static void draw_quality(const struct appetence_model *model, struct buffer *out) {
  const struct logistic_quality *quality = &model->quality;
  buffer_append_format(out, "Learned from %llu cases of the past, %s, tested on %llu others, of which %.0f bought\n",
                       (unsigned long long)model->learned, model->is_calibrated ? "calibrated" : "not calibrated",
                       (unsigned long long)model->tested, quality->yes);
  if (isfinite(quality->auc))
    buffer_append_format(out,
                         "A buyer is above another %.1f times of 100 (AUC); log loss %.4f, of the mean alone %.4f\n",
                         100 * quality->auc, quality->log_loss, quality->base_log_loss);
  if (model->tested == 0) return;
  buffer_append_format(out, "\n%-12s %9s %9s %9s\n", "tested", "customers", "expected", "bought");
  for (size_t i = 0; i < LOGISTIC_BINS; i++) {
    const struct logistic_bin *bin = &quality->bins[i];
    if (bin->rows > 0)
      buffer_append_format(out, "%2zu. tenth    %9.0f %8.1f%% %8.1f%%\n", i + 1, bin->rows, 100 * bin->probability,
                           100 * bin->yes / bin->rows);
  }
}

static void draw_deciles(const struct appetence *appetence, struct buffer *out) {
  double sums[APPETENCE_DECILES + 1] = {0}, most = 0;
  uint64_t counts[APPETENCE_DECILES + 1] = {0};
  for (size_t i = 0; i < appetence->count; i++) {
    sums[appetence->customers[i].decile] += appetence->customers[i].probability;
    counts[appetence->customers[i].decile]++;
  }
  for (int i = 1; i <= APPETENCE_DECILES; i++) most = fmax(most, counts[i] > 0 ? sums[i] / (double)counts[i] : 0);
  buffer_append_format(out, "\n%-12s %9s %9s\n", "decile", "customers", "buyers");
  for (int i = 1; i <= APPETENCE_DECILES; i++) {
    double mean = counts[i] > 0 ? sums[i] / (double)counts[i] : 0;
    buffer_append_format(out, "%-12d %9llu %9.1f %6.1f%% ", i, (unsigned long long)counts[i], sums[i], 100 * mean);
    for (int k = 0; most > 0 && k < (int)(mean / most * BAR_COLUMNS + 0.5); k++) buffer_append_text(out, "█");
    buffer_append_byte(out, '\n');
  }
}

static void draw(const struct appetence *appetence, struct buffer *out) {
  double buyers = 0;
  for (size_t i = 0; i < appetence->count; i++) buyers += appetence->customers[i].probability;
  buffer_append_format(out, "%.1f of %zu customers are expected to buy in %s within %g days; %llu did before\n", buyers,
                       appetence->count, appetence->range, (double)appetence->horizon_us / 86400e6,
                       (unsigned long long)appetence->buyers);
  draw_quality(&appetence->model, out);
  draw_deciles(appetence, out);
}

// --- scoring -------------------------------------------------------------------------------------------------

static bool show_progress(void *context, uint64_t done, uint64_t total) {
  progress_show(context, done, total, done);
  return !stop_is_asked();
}

static enum err score_view(const struct scoring *scoring, struct engine_view *view, struct diag *diag) {
  struct progress progress;
  struct worth_how how = {(unsigned)options_number(&scoring->cli->options, OPTION_QUERY_THREADS, 0), show_progress,
                          &progress};
  struct appetence *appetence;
  progress_begin(&progress);
  progress.unit = "customers";
  stop_listen(false);
  int64_t version = options_number(&scoring->cli->options, OPTION_MODEL_VERSION, 0);
  enum err err = version > 0 ? engine_appetence_recall(view, (uint64_t)version, &how, &appetence, diag)
                             : engine_appetence_open(view, scoring->range, (int64_t)(scoring->days * 86400e6), &how,
                                                     &appetence, diag);
  progress_end(&progress);
  stop_at_once();
  if (err != ERR_OK) return err;
  enum score_format format = score_format_of(scoring->cli, SCORE_NDJSON);
  if (format == SCORE_TEXT)
    draw(appetence, &scoring->cli->out);
  else
    err = write_lines(scoring, appetence, format, diag);
  engine_appetence_close(appetence);
  return err;
}

static enum err score_here(const struct scoring *scoring, struct diag *diag) {
  struct target_local local;
  struct engine_view *view = NULL;
  enum err err = target_local_open(&local, &scoring->cli->options, TARGET_READ_ONLY, diag);
  if (err != ERR_OK) return err;
  err = engine_view_open(local.engine, &view);
  if (err == ERR_OK) err = score_view(scoring, view, diag);
  engine_view_close(view);
  target_local_close(&local);
  return err;
}

// --- models that are kept ------------------------------------------------------------------------------------

static enum err save(struct cli *cli, const struct scoring *scoring, struct diag *diag) {
  struct json_writer writer;
  struct buffer body;
  buffer_init(&body);
  json_writer_init(&writer, &body);
  json_object_begin(&writer);
  json_member_bytes(&writer, "range", scoring->range);
  json_member_text(&writer, "horizon", options_text(&cli->options, OPTION_HORIZON, "30days"));
  json_object_end(&writer);
  const struct target_call call = {.op = TARGET_APPETENCE_PUT, .body = buffer_view(&body)};
  enum err err = body.failed ? diag_no_memory(diag) : ask(cli, &call, true, print_plain, diag);
  buffer_release(&body);
  return err;
}

static void print_models(const struct print_document *models, struct buffer *out) {
  struct value_iter iter = value_iterate(print_find(models, models->root, "items"));
  buffer_append_format(out, "%7s  %-10s  %-24s %8s %9s  %s\n", "VERSION", "LEARNED", "RANGE", "DAYS", "CUSTOMERS",
                       "AUC");
  while (value_next(&iter)) {
    buffer_append_format(out, "%7llu  ", (unsigned long long)print_find_count(models, iter.item, "version"));
    print_time(out, models, iter.item, "learned_at", PRINT_DAY_BYTES);
    buffer_append_text(out, "  ");
    print_member(out, models, iter.item, "range", 24);
    buffer_append_format(out, " %8llu %9llu  ", (unsigned long long)print_find_count(models, iter.item, "horizon_days"),
                         (unsigned long long)print_find_count(models, iter.item, "customers"));
    print_member(out, models, print_find(models, iter.item, "quality"), "auc", 6);
    buffer_append_byte(out, '\n');
  }
}

static enum err list_models(struct cli *cli, struct diag *diag) {
  const struct target_call call = {.op = TARGET_APPETENCE_MODELS};
  if (strcmp(cli->options.args[0], "models") == 0) return ask(cli, &call, false, print_models, diag);
  return diag_set(diag, ERR_INVALID, "usage", "\"%.40s\" is unknown here; `models` lists those that were kept",
                  cli->options.args[0]);
}

// --- the command ---------------------------------------------------------------------------------------------

enum err command_score_appetence(struct cli *cli, struct diag *diag) {
  struct scoring scoring = {.cli = cli, .range = bytes_from_text(options_text(&cli->options, OPTION_RANGE, ""))};
  bool recalls = options_text(&cli->options, OPTION_MODEL_VERSION, NULL) != NULL;
  bool saves = options_given(&cli->options, OPTION_SAVE);
  if (cli->options.arg_count > 0) return list_models(cli, diag);
  if (options_text(&cli->options, OPTION_CUSTOMER_FILE, NULL) != NULL) return score_appetence_file(cli, diag);
  if (recalls && (saves || scoring.range.size_bytes > 0))
    return diag_set(diag, ERR_INVALID, "usage", "--model-version has its range, and is kept already");
  if (!recalls && scoring.range.size_bytes == 0)
    return diag_set(diag, ERR_INVALID, "usage", "which range of products? give --range, such as --range Phones");
  enum err err = score_horizon(options_text(&cli->options, OPTION_HORIZON, "30days"), 1, &scoring.days, diag);
  if (err == ERR_OK && saves) return save(cli, &scoring, diag);
  if (err == ERR_OK && target_is_remote(&cli->options))
    err = diag_set(diag, ERR_INVALID, "usage",
                   "a server keeps models (--save) and lists them (models); scores are in `rapport report appetence`");
  return err == ERR_OK ? score_here(&scoring, diag) : err;
}
