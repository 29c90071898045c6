// commands_lift: `rapport lift` and `rapport lift sample-size`: what a campaign brought, and how many customers it
// takes to see that.
//
// Both make a document, which --json shows as it is; people see it in sentences that say what may be concluded.
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/real.h"
#include "cli/ask.h"
#include "cli/table.h"
#include "scoring/lift.h"

enum { NUMBER_BYTES = 64, FEW = 10, PLANS = 5 };

// --- numbers as people type them -----------------------------------------------------------------------------

// "5%", "0.05", "12.40": *percent says how it was written.
static bool read_number(const char *text, double *number, bool *percent) {
  size_t size = strlen(text);
  *percent = size > 0 && text[size - 1] == '%';
  if (real_read((struct bytes){(const uint8_t *)text, size - *percent}, number) != ERR_OK) return false;
  if (*percent) *number /= 100;
  return true;
}

static enum err read_share(const struct options *options, enum option option, double otherwise, double *share,
                           struct diag *diag) {
  const char *text = options_text(options, option, NULL);
  bool percent;
  *share = otherwise;
  if (text == NULL || (read_number(text, share, &percent) && *share > 0 && *share < 1)) return ERR_OK;
  return diag_set(diag, ERR_INVALID, "usage", "--%s is \"%.40s\"; expected a share such as %g%% or %g",
                  options_param(option)->name, text, 100 * otherwise, otherwise);
}

// 0: not given.
static enum err read_money(const struct options *options, enum option option, double *money, struct diag *diag) {
  const char *text = options_text(options, option, NULL);
  bool percent;
  *money = 0;
  if (text == NULL || (read_number(text, money, &percent) && !percent && *money > 0)) return ERR_OK;
  return diag_set(diag, ERR_INVALID, "usage", "--%s is \"%.40s\"; expected an amount above 0, such as 1250.50",
                  options_param(option)->name, text);
}

static enum err read_counts(const struct options *options, enum option option, struct lift_group *group,
                            struct diag *diag) {
  const char *text = options_text(options, option, ""), *slash = strchr(text, '/');
  uint64_t bought = 0, customers = 0;
  bool read = slash != NULL &&
              real_read_count((struct bytes){(const uint8_t *)text, (size_t)(slash - text)}, &bought) == ERR_OK &&
              real_read_count(bytes_from_text(slash + 1), &customers) == ERR_OK;
  if (read && customers >= 2 && bought <= customers) {
    lift_take_share(group, (double)customers, (double)bought);
    return ERR_OK;
  }
  return diag_set(diag, ERR_INVALID, "usage",
                  "--%s is \"%.40s\"; expected how many bought of how many customers (two or more), such as 540/9000",
                  options_param(option)->name, text);
}

// --- what a campaign brought ---------------------------------------------------------------------------------

struct side {
  struct lift_group buyers, revenue;
  double bought;
};

struct campaign {
  struct cli *cli;
  struct side treated, control;
  const char *control_word;
  bool has_revenue, has_before; // a file had amounts, and those before
  double confidence, cost, worth;
  struct lift buyers, revenue;
};

static enum err take_customer(void *context, uint64_t line, const struct bytes *cells, struct diag *diag) {
  struct campaign *campaign = context;
  size_t size = strlen(campaign->control_word);
  bool control =
      cells[0].size_bytes == size && strncasecmp((const char *)cells[0].data, campaign->control_word, size) == 0;
  struct side *side = control ? &campaign->control : &campaign->treated;
  double revenue, before = 0;
  (void)line;
  if (cells[0].size_bytes == 0)
    return diag_set(diag, ERR_INVALID, "no_group", "the group is empty; expected \"%.60s\" or the campaign's name",
                    campaign->control_word);
  enum err err = table_number(cells[1], "revenue", &revenue, diag);
  if (err == ERR_OK && campaign->has_before) err = table_number(cells[2], "revenue before", &before, diag);
  if (err != ERR_OK) return err;
  lift_add(&side->revenue, revenue, before);
  lift_add(&side->buyers, revenue > 0, 0);
  side->bought += revenue > 0;
  return ERR_OK;
}

static enum err read_file(struct campaign *campaign, struct diag *diag) {
  const struct options *options = &campaign->cli->options;
  const char *columns = options_text(options, OPTION_COLUMNS, NULL),
             *expected = "GROUP,REVENUE or GROUP,REVENUE,BEFORE";
  struct table_columns chosen = {.count = 0};
  if (options_text(options, OPTION_TREATED, NULL) != NULL || options_text(options, OPTION_VALUE, NULL) != NULL)
    return diag_set(diag, ERR_INVALID, "usage",
                    "--treated and --value are of counts; --customers has them line by line");
  if (columns == NULL) return diag_set(diag, ERR_INVALID, "usage", "--columns is needed: %s", expected);
  enum err err = table_columns_read(&chosen, columns, 2, 3, expected, diag);
  if (err != ERR_OK) return err;
  campaign->has_revenue = true;
  campaign->has_before = chosen.count == 3;
  campaign->control_word = options_text(options, OPTION_CONTROL, "control");
  err = table_read(options_text(options, OPTION_CUSTOMER_FILE, NULL), &chosen, take_customer, campaign, diag);
  if (err == ERR_OK && (campaign->control.buyers.customers < 2 || campaign->treated.buyers.customers < 2))
    return diag_set(diag, ERR_INVALID, "too_few",
                    "%.0f customers are in the group \"%.60s\" and %.0f in others: each side needs two or more; "
                    "--control says how the file calls those who were left alone",
                    campaign->control.buyers.customers, campaign->control_word, campaign->treated.buyers.customers);
  return err;
}

static enum err read_both_counts(struct campaign *campaign, struct diag *diag) {
  const struct options *options = &campaign->cli->options;
  if (options_text(options, OPTION_TREATED, NULL) == NULL || options_text(options, OPTION_CONTROL, NULL) == NULL)
    return diag_set(
        diag, ERR_INVALID, "usage",
        "give --treated BOUGHT/CUSTOMERS and --control BOUGHT/CUSTOMERS, or --customers FILE with --columns");
  enum err err = read_counts(options, OPTION_TREATED, &campaign->treated.buyers, diag);
  if (err == ERR_OK) err = read_counts(options, OPTION_CONTROL, &campaign->control.buyers, diag);
  if (err != ERR_OK) return err;
  campaign->treated.bought = campaign->treated.buyers.mean * campaign->treated.buyers.customers;
  campaign->control.bought = campaign->control.buyers.mean * campaign->control.buyers.customers;
  return read_money(options, OPTION_VALUE, &campaign->worth, diag);
}

static enum err measure(struct campaign *campaign, struct diag *diag) {
  const struct options *options = &campaign->cli->options;
  enum err err = read_share(options, OPTION_CONFIDENCE, 0.95, &campaign->confidence, diag);
  if (err == ERR_OK) err = read_money(options, OPTION_COST, &campaign->cost, diag);
  if (err == ERR_OK)
    err = options_text(options, OPTION_CUSTOMER_FILE, NULL) != NULL ? read_file(campaign, diag)
                                                                    : read_both_counts(campaign, diag);
  if (err == ERR_OK && campaign->cost > 0 && campaign->worth == 0 && !campaign->has_revenue)
    return diag_set(diag, ERR_INVALID, "usage", "--cost needs --value MONEY: what a purchase is worth");
  if (err == ERR_OK)
    err = lift_compare(&campaign->treated.buyers, &campaign->control.buyers, campaign->confidence, false,
                       &campaign->buyers, diag);
  if (err == ERR_OK && campaign->has_revenue)
    err = lift_compare(&campaign->treated.revenue, &campaign->control.revenue, campaign->confidence,
                       campaign->has_before, &campaign->revenue, diag);
  return err;
}

// Revenue that would not have been: measured, or buyers times what a purchase is worth.
static struct lift money_of(const struct campaign *campaign) {
  struct lift money = campaign->has_revenue ? campaign->revenue : campaign->buyers;
  double customers = campaign->treated.buyers.customers, by = campaign->has_revenue ? 1 : campaign->worth;
  money.incremental *= by;
  money.low *= by * customers;
  money.high *= by * customers;
  return money;
}

static void write_side(struct json_writer *writer, const char *name, const struct campaign *campaign,
                       const struct side *side) {
  json_name(writer, name);
  json_object_begin(writer);
  json_member_real(writer, "customers", side->buyers.customers);
  json_member_real(writer, "bought", round(side->bought));
  json_member_real(writer, "rate", side->buyers.mean);
  if (campaign->has_revenue) json_member_real(writer, "revenue_per_customer", side->revenue.mean);
  json_object_end(writer);
}

static void write_lift(struct json_writer *writer, const char *name, const struct lift *lift, double customers) {
  json_name(writer, name);
  json_object_begin(writer);
  json_member_real(writer, "difference", lift->difference);
  json_member_real(writer, "low", lift->low);
  json_member_real(writer, "high", lift->high);
  json_member_real(writer, "lift", lift->relative);
  json_member_real(writer, "p_value", lift->p_value);
  json_member_real(writer, "incremental", lift->incremental);
  json_member_real(writer, "incremental_low", lift->low * customers);
  json_member_real(writer, "incremental_high", lift->high * customers);
  json_member_real(writer, "explained", lift->explained);
  json_object_end(writer);
}

static void write_campaign(const struct campaign *campaign, struct buffer *json) {
  struct json_writer writer;
  json_writer_init(&writer, json);
  json_object_begin(&writer);
  write_side(&writer, "treated", campaign, &campaign->treated);
  write_side(&writer, "control", campaign, &campaign->control);
  json_member_real(&writer, "confidence", campaign->confidence);
  write_lift(&writer, "buyers", &campaign->buyers, campaign->treated.buyers.customers);
  if (campaign->has_revenue) write_lift(&writer, "revenue", &campaign->revenue, campaign->treated.buyers.customers);
  if (campaign->has_revenue || campaign->worth > 0) {
    struct lift money = money_of(campaign);
    json_member_real(&writer, "incremental_revenue", money.incremental);
    json_member_real(&writer, "incremental_revenue_low", money.low);
    json_member_real(&writer, "incremental_revenue_high", money.high);
    if (campaign->cost > 0) {
      json_member_real(&writer, "cost", campaign->cost);
      json_member_real(&writer, "iroas", money.incremental / campaign->cost);
      json_member_real(&writer, "iroas_low", money.low / campaign->cost);
      json_member_real(&writer, "iroas_high", money.high / campaign->cost);
    }
  }
  json_object_end(&writer);
}

static void print_side(struct buffer *out, const char *name, const struct campaign *campaign, const struct side *side) {
  buffer_append_format(out, "%-8s %11.0f %9.0f %8.2f%%", name, side->buyers.customers, side->bought,
                       100 * side->buyers.mean);
  if (campaign->has_revenue) buffer_append_format(out, " %17.2f", side->revenue.mean);
  buffer_append_byte(out, '\n');
}

static void print_verdict(struct buffer *out, const struct lift *lift, double confidence) {
  if (lift->p_value < 1 - confidence)
    buffer_append_format(out, "  No chance: so much apart by chance alone has a probability of %.2g\n", lift->p_value);
  else
    buffer_append_format(
        out, "  It may be chance: so much apart or more has a probability of %.2g without any effect\n", lift->p_value);
}

static void print_relative(struct buffer *out, const struct lift *lift) {
  if (isfinite(lift->relative))
    buffer_append_format(out, "%+.1f%%", 100 * lift->relative);
  else
    buffer_append_text(out, "not known (0 in control)");
}

static void print_money(struct buffer *out, const struct campaign *campaign) {
  struct lift money = money_of(campaign);
  buffer_append_format(out, "\nIncremental revenue   %.2f (%.2f to %.2f)\n", money.incremental, money.low, money.high);
  if (campaign->cost > 0)
    buffer_append_format(out, "iROAS                 %.2f (%.2f to %.2f) for each 1 of cost\n",
                         money.incremental / campaign->cost, money.low / campaign->cost, money.high / campaign->cost);
}

static void print_campaign(const struct campaign *campaign, struct buffer *out) {
  const struct lift *buyers = &campaign->buyers;
  double customers = campaign->treated.buyers.customers;
  buffer_append_format(out, "%-8s %11s %9s %9s", "", "customers", "bought", "rate");
  buffer_append_text(out, campaign->has_revenue ? "  revenue/customer\n" : "\n");
  print_side(out, "Treated", campaign, &campaign->treated);
  print_side(out, "Control", campaign, &campaign->control);
  buffer_append_text(out, "\nLift of the rate      ");
  print_relative(out, buyers);
  buffer_append_format(out, "\nPoints of per cent    %+.2f (%+.2f to %+.2f, %g%% sure)\n", 100 * buyers->difference,
                       100 * buyers->low, 100 * buyers->high, 100 * campaign->confidence);
  buffer_append_format(out, "Buyers won            %.0f (%.0f to %.0f)\n", buyers->incremental, buyers->low * customers,
                       buyers->high * customers);
  print_verdict(out, buyers, campaign->confidence);
  if (campaign->has_revenue) {
    buffer_append_text(out, "\nLift of revenue       ");
    print_relative(out, &campaign->revenue);
    buffer_append_format(out, "\nRevenue per customer  %+.2f (%+.2f to %+.2f)\n", campaign->revenue.difference,
                         campaign->revenue.low, campaign->revenue.high);
    if (campaign->has_before)
      buffer_append_format(out, "  What they spent before explains %.0f%% of the spread (CUPED)\n",
                           100 * campaign->revenue.explained);
    print_verdict(out, &campaign->revenue, campaign->confidence);
  }
  if (campaign->has_revenue || campaign->worth > 0) print_money(out, campaign);
}

// The interval is of the normal distribution, which a handful of buyers does not have.
static void warn_of_few(const struct side *side, const char *name) {
  double least = fmin(side->bought, side->buyers.customers - side->bought);
  if (least < FEW)
    fprintf(stderr, "rapport: warning: the %s group has %.0f who %s: below %d the interval is a rough one\n", name,
            least, least == side->bought ? "bought" : "did not buy", FEW);
}

// The document with --json or --pretty; else whoever asked prints.
static bool show_json(struct cli *cli, const struct buffer *json) {
  bool pretty = options_given(&cli->options, OPTION_PRETTY);
  if (!pretty && !options_given(&cli->options, OPTION_JSON)) return false;
  if (pretty)
    print_pretty(buffer_view(json), &cli->out);
  else
    buffer_append_bytes(&cli->out, buffer_view(json));
  buffer_append_byte(&cli->out, '\n');
  return true;
}

enum err command_lift(struct cli *cli, struct diag *diag) {
  struct campaign campaign = {.cli = cli};
  struct buffer json;
  enum err err = measure(&campaign, diag);
  if (err != ERR_OK) return err;
  warn_of_few(&campaign.treated, "treated");
  warn_of_few(&campaign.control, "control");
  buffer_init(&json);
  write_campaign(&campaign, &json);
  if (json.failed)
    err = diag_no_memory(diag);
  else if (!show_json(cli, &json))
    print_campaign(&campaign, &cli->out);
  buffer_release(&json);
  return err;
}

// --- how many customers it takes -----------------------------------------------------------------------------

struct plan {
  double now, then, deviation; // deviation 0: shares of customers
  double control, confidence, power;
};

// "6%", "0.06"; "+10%" and "-10%" are of `now`.
static enum err read_levels(struct plan *plan, const struct options *options, struct diag *diag) {
  const char *now = options->args[0], *then = options->args[1];
  bool percent, amounts = plan->deviation > 0, read = read_number(now, &plan->now, &percent) && !(amounts && percent);
  bool change = then[0] == '+' || then[0] == '-';
  double number = 0;
  read = read && plan->now > (amounts ? -HUGE_VAL : 0) && (amounts || plan->now < 1) &&
         read_number(then + (then[0] == '+'), &number, &percent) && !(change && !amounts && !percent);
  plan->then = change && percent ? plan->now * (1 + number) : number;
  if (!read || (amounts && percent && !change))
    return diag_set(diag, ERR_INVALID, "usage", "\"%.40s %.40s\" are no two %s", now, then,
                    amounts ? "amounts, such as 12.40 13.50 or 12.40 +10%"
                            : "shares, such as 5% 6% or 5% +10%; for amounts give --deviation");
  if (!amounts && !(plan->then > 0 && plan->then < 1))
    return diag_set(diag, ERR_INVALID, "usage", "%.40s of %.40s is no share between 0 and 100%%", then, now);
  if (plan->then == plan->now)
    return diag_set(diag, ERR_INVALID, "usage", "both are the same: no number of customers shows no difference");
  return ERR_OK;
}

struct size {
  double treated, control;
};

// lift_sample takes one variance for both groups: this one gives the same error as theirs do together.
static enum err size_of(const struct plan *plan, double share, struct size *size, struct diag *diag) {
  double ratio = share / (1 - share), variance = plan->deviation * plan->deviation;
  if (plan->deviation == 0)
    variance = (plan->then * (1 - plan->then) + plan->now * (1 - plan->now) / ratio) / (1 + 1 / ratio);
  enum err err =
      lift_sample(variance, plan->then - plan->now, ratio, plan->confidence, plan->power, &size->treated, diag);
  size->treated = fmax(size->treated, 2);
  size->control = fmax(ceil(size->treated * ratio), 2);
  return err;
}

static enum err read_plan(struct plan *plan, const struct options *options, struct diag *diag) {
  enum err err = read_money(options, OPTION_DEVIATION, &plan->deviation, diag);
  if (err == ERR_OK) err = read_share(options, OPTION_CONTROL, 0.1, &plan->control, diag);
  if (err == ERR_OK) err = read_share(options, OPTION_CONFIDENCE, 0.95, &plan->confidence, diag);
  if (err == ERR_OK) err = read_share(options, OPTION_POWER, 0.8, &plan->power, diag);
  return err == ERR_OK ? read_levels(plan, options, diag) : err;
}

static void write_size(struct json_writer *writer, double share, const struct size *size) {
  json_member_real(writer, "control_share", share);
  json_member_real(writer, "treated", size->treated);
  json_member_real(writer, "control", size->control);
  json_member_real(writer, "customers", size->treated + size->control);
}

static void write_plan(const struct plan *plan, const struct size *size, struct buffer *json) {
  struct json_writer writer;
  json_writer_init(&writer, json);
  json_object_begin(&writer);
  json_member_real(&writer, "now", plan->now);
  json_member_real(&writer, "then", plan->then);
  if (plan->deviation > 0) json_member_real(&writer, "deviation", plan->deviation);
  json_member_real(&writer, "confidence", plan->confidence);
  json_member_real(&writer, "power", plan->power);
  write_size(&writer, plan->control, size);
  json_object_end(&writer);
}

static void put_level(struct buffer *out, const struct plan *plan, double level) {
  if (plan->deviation > 0)
    buffer_append_format(out, "%.2f", level);
  else
    buffer_append_format(out, "%.4g%%", 100 * level);
}

static enum err print_plan(const struct plan *plan, const struct size *size, struct buffer *out, struct diag *diag) {
  static const double shares[PLANS] = {0.05, 0.1, 0.2, 0.3, 0.5};
  enum err err = ERR_OK;
  buffer_append_format(out, "%.0f customers: %.0f get the campaign, %.0f (%.4g%%) do not.\n",
                       size->treated + size->control, size->treated, size->control, 100 * plan->control);
  buffer_append_text(out, "A change from ");
  put_level(out, plan, plan->now);
  buffer_append_text(out, " to ");
  put_level(out, plan, plan->then);
  buffer_append_format(out, " is then seen %.4g times of 100, at %.4g%% confidence.\n\n", 100 * plan->power,
                       100 * plan->confidence);
  buffer_append_format(out, "%-8s %12s %12s %12s\n", "control", "customers", "treated", "control");
  for (int i = 0; i < PLANS && err == ERR_OK; i++) {
    struct size other = {0};
    err = size_of(plan, shares[i], &other, diag);
    buffer_append_format(out, "%7.0f%% %12.0f %12.0f %12.0f\n", 100 * shares[i], other.treated + other.control,
                         other.treated, other.control);
  }
  return err;
}

enum err command_lift_sample_size(struct cli *cli, struct diag *diag) {
  struct plan plan = {0};
  struct size size = {0};
  struct buffer json;
  enum err err = read_plan(&plan, &cli->options, diag);
  if (err == ERR_OK) err = size_of(&plan, plan.control, &size, diag);
  if (err != ERR_OK) return err;
  buffer_init(&json);
  write_plan(&plan, &size, &json);
  if (json.failed)
    err = diag_no_memory(diag);
  else if (!show_json(cli, &json))
    err = print_plan(&plan, &size, &cli->out, diag);
  buffer_release(&json);
  return err;
}
