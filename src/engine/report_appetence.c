// report_appetence.c: how likely customers are to buy in a range of products: by tenths, how good that is, whom to
// tell.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "customer/record.h"
#include "engine/appetence.h"
#include "engine/read.h"
#include "engine/report.h"

enum { LISTED = 20 };

static const double DAY_US = 86400e6;

static void tell_facts(struct engine_view *view, const struct appetence *appetence, struct bytes range,
                       struct report *report) {
  char text[96], at[ENGINE_REPORT_TIME_BYTES];
  const struct appetence_model *model = &appetence->model;
  report_fact(report, "range", "Range", range);
  engine_report_time(view, appetence->at_us, at);
  report_fact(report, "at", "As of", bytes_from_text(at));
  snprintf(text, sizeof text, "%g days", (double)appetence->horizon_us / DAY_US);
  report_fact(report, "horizon", "Horizon", bytes_from_text(text));
  snprintf(text, sizeof text, "%llu cases of the past, %llu to calibrate, %llu to test",
           (unsigned long long)model->learned, (unsigned long long)model->calibrated,
           (unsigned long long)model->tested);
  report_fact(report, "learned", "Learned from", bytes_from_text(text));
}

static void tell_deciles(const struct appetence *appetence, struct report *report) {
  static const struct report_column columns[] = {{"decile", "Tenth", REPORT_COUNT},
                                                 {"customers", "Customers", REPORT_COUNT},
                                                 {"buyers_before", "Bought before", REPORT_COUNT},
                                                 {"probability", "Probability", REPORT_SHARE},
                                                 {"expected", "Expected buyers", REPORT_NUMBER}};
  double sums[APPETENCE_DECILES + 1] = {0};
  uint64_t counts[APPETENCE_DECILES + 1] = {0}, before[APPETENCE_DECILES + 1] = {0};
  for (size_t i = 0; i < appetence->count; i++) {
    const struct appetence_customer *customer = &appetence->customers[i];
    sums[customer->decile] += customer->probability;
    counts[customer->decile]++;
    before[customer->decile] += customer->orders > 0;
  }
  report_table(report, "deciles", "Customers by probability, the highest tenth first", columns, 5);
  for (size_t i = 1; i <= APPETENCE_DECILES; i++) {
    report_count(report, i);
    report_count(report, counts[i]);
    report_count(report, before[i]);
    report_number(report, counts[i] > 0 ? sums[i] / (double)counts[i] : NAN);
    report_number(report, sums[i]);
  }
}

static void tell_quality(const struct logistic_quality *quality, struct report *report) {
  static const struct report_column columns[] = {{"tested", "Tested", REPORT_COUNT},
                                                 {"bought", "Bought", REPORT_COUNT},
                                                 {"auc", "AUC", REPORT_NUMBER},
                                                 {"log_loss", "Log loss", REPORT_NUMBER},
                                                 {"base_log_loss", "Log loss of the mean", REPORT_NUMBER},
                                                 {"brier", "Brier", REPORT_NUMBER}};
  static const struct report_column bins[] = {{"tenth", "Tenth", REPORT_COUNT},
                                              {"customers", "Tested", REPORT_COUNT},
                                              {"expected", "Expected", REPORT_SHARE},
                                              {"bought", "Bought", REPORT_SHARE}};
  report_table(report, "quality", "On customers that the model has not seen", columns, 6);
  report_count(report, (uint64_t)quality->rows);
  report_count(report, (uint64_t)quality->yes);
  report_number(report, quality->auc);
  report_number(report, quality->log_loss);
  report_number(report, quality->base_log_loss);
  report_number(report, quality->brier);
  report_table(report, "reliability", "What was expected of them, and what they did", bins, 4);
  for (size_t i = 0; i < LOGISTIC_BINS; i++) {
    const struct logistic_bin *bin = &quality->bins[i];
    report_count(report, i + 1);
    report_count(report, (uint64_t)bin->rows);
    report_number(report, bin->rows > 0 ? bin->probability : NAN);
    report_number(report, bin->rows > 0 ? bin->yes / bin->rows : NAN);
  }
}

static void tell_model(const struct logistic *logistic, struct report *report) {
  static const struct report_column columns[] = {{"feature", "Feature", REPORT_TEXT},
                                                 {"mean", "Mean", REPORT_NUMBER},
                                                 {"scale", "Deviation", REPORT_NUMBER},
                                                 {"coefficient", "Coefficient", REPORT_NUMBER}};
  report_table(report, "model", "What counts, for one deviation more", columns, 4);
  report_text(report, BYTES("intercept"));
  report_none(report);
  report_none(report);
  report_number(report, logistic->intercept);
  for (size_t i = 0; i < logistic->columns; i++) {
    report_text(report, bytes_from_text(appetence_feature_name(i)));
    report_number(report, logistic->mean[i]);
    report_number(report, logistic->scale[i]);
    report_number(report, logistic->coefficients[i]);
  }
}

static int by_probability(const void *left, const void *right) {
  const struct appetence_customer *a = left, *b = right;
  int order = (a->probability < b->probability) - (a->probability > b->probability);
  return order != 0 ? order : (a->id > b->id) - (a->id < b->id);
}

// Puts customers in another order: the last to be told.
static void tell_customers(struct appetence *appetence, double listed, struct report *report) {
  static const struct report_column columns[] = {{"customer_id", "Customer", REPORT_TEXT},
                                                 {"probability", "Probability", REPORT_SHARE},
                                                 {"decile", "Tenth", REPORT_COUNT},
                                                 {"orders", "Orders so far", REPORT_COUNT}};
  if (appetence->count > 0) qsort(appetence->customers, appetence->count, sizeof *appetence->customers, by_probability);
  report_table(report, "customers", "The most likely customers", columns, 4);
  for (size_t i = 0; i < appetence->count && (double)i < listed; i++) {
    char id[CUSTOMER_ID_TEXT_BYTES];
    customer_id_format(appetence->customers[i].id, id);
    report_text(report, bytes_from_text(id));
    report_number(report, appetence->customers[i].probability);
    report_count(report, appetence->customers[i].decile);
    report_count(report, appetence->customers[i].orders);
  }
}

enum err engine_report_appetence(struct engine_view *view, const struct engine_report_request *request,
                                 struct report *report, struct rule_diag *refusal, struct diag *diag) {
  struct worth_how how = worth_how_of(request);
  struct appetence *appetence = NULL;
  struct bytes range;
  double days = 0, listed = 0;
  (void)refusal;
  enum err err = worth_text_option(view, request->options, "range", (struct bytes){0}, &range, diag);
  if (err == ERR_OK) err = worth_days_option(view, request->options, "horizon", 30, &days, diag);
  if (err == ERR_OK)
    err = worth_number_option(view, request->options, "customers", LISTED, 0, REPORT_ROWS_MAX, &listed, diag);
  if (err == ERR_OK) err = engine_appetence_open(view, range, (int64_t)(days * DAY_US), &how, &appetence, diag);
  if (err != ERR_OK) return err;
  tell_facts(view, appetence, range, report);
  tell_deciles(appetence, report);
  tell_quality(&appetence->model.quality, report);
  tell_model(&appetence->model.logistic, report);
  tell_customers(appetence, listed, report);
  if (appetence->model.logistic.outcome == LOGISTIC_ONE_LABEL)
    report_note(report, "In the past everybody or nobody bought within the horizon: nothing tells customers apart.");
  else if (!appetence->model.is_calibrated)
    report_note(report, "There were too few buyers, or others, to calibrate probabilities by.");
  engine_appetence_close(appetence);
  return ERR_OK;
}
