// commands_score_appetence: `rapport score appetence`: a model learned from a workspace, its report, and what it says
// of each customer.
#include <math.h>
#include <stdio.h>

#include "base/csv.h"
#include "base/real.h"
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

static void put_real(struct json_writer *writer, const char *name, double number) {
  char text[REAL_TEXT_BYTES];
  json_name(writer, name);
  if (!isfinite(number)) {
    json_null(writer);
    return;
  }
  real_write(text, number);
  json_raw(writer, bytes_from_text(text));
}

static void write_model(const struct logistic *logistic, struct json_writer *writer) {
  json_name(writer, "model");
  json_object_begin(writer);
  put_real(writer, "intercept", logistic->intercept);
  json_name(writer, "features");
  json_array_begin(writer);
  for (size_t i = 0; i < logistic->columns; i++) {
    json_object_begin(writer);
    json_member_text(writer, "name", appetence_feature_name(i));
    put_real(writer, "mean", logistic->mean[i]);
    put_real(writer, "scale", logistic->scale[i]);
    put_real(writer, "coefficient", logistic->coefficients[i]);
    json_object_end(writer);
  }
  json_array_end(writer);
  put_real(writer, "calibration_intercept", logistic->calibration_intercept);
  put_real(writer, "calibration_slope", logistic->calibration_slope);
  json_object_end(writer);
}

static void write_quality(const struct appetence_model *model, struct json_writer *writer) {
  const struct logistic_quality *quality = &model->quality;
  json_name(writer, "quality");
  json_object_begin(writer);
  json_member_u64(writer, "learned", model->learned);
  json_member_u64(writer, "calibrated", model->calibrated);
  json_member_u64(writer, "tested", model->tested);
  put_real(writer, "bought", quality->yes);
  put_real(writer, "auc", quality->auc);
  put_real(writer, "log_loss", quality->log_loss);
  put_real(writer, "base_log_loss", quality->base_log_loss);
  put_real(writer, "brier", quality->brier);
  json_name(writer, "reliability");
  json_array_begin(writer);
  for (size_t i = 0; i < LOGISTIC_BINS; i++) {
    json_object_begin(writer);
    put_real(writer, "customers", quality->bins[i].rows);
    put_real(writer, "expected", quality->bins[i].probability);
    put_real(writer, "bought", quality->bins[i].rows > 0 ? quality->bins[i].yes / quality->bins[i].rows : NAN);
    json_object_end(writer);
  }
  json_array_end(writer);
  json_object_end(writer);
}

static void write_head(const struct scoring *scoring, const struct appetence *appetence, struct buffer *out) {
  struct json_writer writer;
  json_writer_init(&writer, out);
  json_object_begin(&writer);
  json_member_bytes(&writer, "range", scoring->range);
  put_real(&writer, "horizon_days", scoring->days);
  json_member_time(&writer, "at", appetence->at_us);
  json_member_u64(&writer, "customers", appetence->count);
  json_member_u64(&writer, "buyers", appetence->buyers);
  write_model(&appetence->model.logistic, &writer);
  write_quality(&appetence->model, &writer);
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
  write_head(scoring, appetence, &head);
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

static void draw(const struct scoring *scoring, const struct appetence *appetence, struct buffer *out) {
  double buyers = 0;
  for (size_t i = 0; i < appetence->count; i++) buyers += appetence->customers[i].probability;
  buffer_append_format(out, "%.1f of %zu customers are expected to buy in %.*s within %g days; %llu did before\n",
                       buyers, appetence->count, (int)scoring->range.size_bytes, (const char *)scoring->range.data,
                       scoring->days, (unsigned long long)appetence->buyers);
  draw_quality(&appetence->model, out);
  draw_deciles(appetence, out);
}

// --- the command ---------------------------------------------------------------------------------------------

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
  enum err err =
      engine_appetence_open(view, scoring->range, (int64_t)(scoring->days * 86400e6), &how, &appetence, diag);
  progress_end(&progress);
  stop_at_once();
  if (err != ERR_OK) return err;
  enum score_format format = score_format_of(scoring->cli, SCORE_NDJSON);
  if (format == SCORE_TEXT)
    draw(scoring, appetence, &scoring->cli->out);
  else
    err = write_lines(scoring, appetence, format, diag);
  engine_appetence_close(appetence);
  return err;
}

enum err command_score_appetence(struct cli *cli, struct diag *diag) {
  struct scoring scoring = {.cli = cli, .range = bytes_from_text(options_text(&cli->options, OPTION_RANGE, ""))};
  struct target_local local;
  struct engine_view *view = NULL;
  if (scoring.range.size_bytes == 0)
    return diag_set(diag, ERR_INVALID, "usage", "which range of products? give --range, such as --range Phones");
  enum err err = score_horizon(options_text(&cli->options, OPTION_HORIZON, "30days"), 1, &scoring.days, diag);
  if (err == ERR_OK) err = target_local_open(&local, &cli->options, TARGET_READ_ONLY, diag);
  if (err != ERR_OK) return err;
  err = engine_view_open(local.engine, &view);
  if (err == ERR_OK) err = score_view(&scoring, view, diag);
  engine_view_close(view);
  target_local_close(&local);
  return err;
}
