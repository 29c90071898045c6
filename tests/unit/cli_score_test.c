// `rapport score rfm`, `rapport score clv` and `rapport lift` as they are typed, on files of the test's own and on the
// published ones.
#include <math.h>

#include "scoring_shared.h"

#include "cli_kit.h"

static char before[OUT_BYTES];

static int run(const char *line) {
  return run_split(line, " ");
}

static void assert_says(const char *line, int status, const char *sentence) {
  int found = run(line);
  if (found == status && strstr(errors, sentence) != NULL) return;
  print_message("%s\nexit %d: %s\n", line, found, errors);
  fail();
}

static const char baskets[] = "customer,day,amount,order,category\n"
                              "zoe,2026-01-05,899.00,1,Phones\n"
                              "zoe,2026-01-05,19.90,1,Cases\n"
                              "zoe,2026-10-01T23:30:00-05:00,24.90,2,Cases\n"
                              "\"Martin, Léo\",2026-09-20,0.10,3,Phones\n"
                              "\"Martin, Léo\",2024-03-01,0.20,4,Phones\n"
                              "=cmd,2026-11-22,-5.00,5,Cases\n"
                              "tom,2026-11-23,50,6,Cases\n";

static void orders_make_scores(void **state) {
  (void)state;
  write_file("b.csv", baskets);
  assert_int_equal(run("score rfm --orders b.csv --columns customer,day,amount,order --at 2026-11-22 --bins 2"), 0);
  assert_string_equal(out, "customer_id,segment,rfm_score,transaction_count,recency_days,amount,recency_score,"
                           "frequency_score,monetary_score\n"
                           "zoe,New Customers,212,2,52,943.80,2,1,2\n"
                           "\"Martin, Léo\",Lost,111,2,63,0.30,1,1,1\n"
                           "'=cmd,New Customers,211,1,0,-5.00,2,1,1\n");
}

static void ranges_have_thresholds_of_their_own(void **state) {
  (void)state;
  write_file("b.csv", baskets);
  write_file("r.json", "{\"Phones\":[\"Phones\"],\"Things\":[\"Cases\",\"Straps\"]}");
  assert_int_equal(run("score rfm --orders b.csv --columns 1,2,3,4 --range 5 --ranges r.json --at 2026-11-22 --bins 2 "
                       "--save-thresholds t.json"),
                   0);
  assert_non_null(strstr(out, "monetary_score,range\n"));
  assert_non_null(strstr(out, ",1,321,899.00,1,1,2,Phones\n"));
  assert_non_null(strstr(out, ",2,52,44.80,1,1,2,Things\n"));
  assert_non_null(strstr(out, ",2,63,0.30,2,1,1,Phones\n"));
  // Scored by what was saved, the same comes out.
  strcpy(before, out);
  assert_int_equal(
      run("score rfm --orders b.csv --columns 1,2,3,4 --range 5 --ranges r.json --at 2026-11-22 --thresholds t.json"),
      0);
  assert_string_equal(out, before);
  assert_non_null(strstr(errors, "1 line dated after the analysis date left out"));
  assert_non_null(strstr(errors, "1 customer without an order up to then left out"));
}

static void customers_with_dates_or_days(void **state) {
  (void)state;
  write_file("c.csv", "id;last;n;sum\na;2006-12-30;3;12.50\nb;20061201;1;7\n");
  write_file("d.csv", "id;last;n;sum\na;2;3;12.50\nb;31;1;7\n");
  assert_int_equal(run("score rfm --customers c.csv --columns id,last,n,sum --at 2007-01-01"), 0);
  assert_non_null(strstr(out, "\na,Potential Loyalist,535,3,2,12.50,5,3,5\nb,Lost,111,1,31,7,1,1,1\n"));
  strcpy(before, out);
  assert_int_equal(run("score rfm --customers d.csv --columns id,last,n,sum"), 0);
  assert_string_equal(out, before);
}

static void forms_and_moves(void **state) {
  (void)state;
  write_file("b.csv", baskets);
  assert_int_equal(run("score rfm --orders b.csv --columns 1,2,3 --at 2026-11-22 --previous 2026-01-31 --format json"),
                   0);
  assert_non_null(strstr(out, "\"moves\":["));
  assert_non_null(strstr(out, "\"from\":null"));
  assert_non_null(strstr(out, "\"amount\":943.80"));
  assert_int_equal(run("score rfm --orders b.csv --columns 1,2,3 --at 2026-11-22 --format text"), 0);
  assert_non_null(strstr(out, "3 customers on 2026-11-22"));
  assert_non_null(strstr(out, "Recency down, frequency across"));
  assert_null(strchr(out, '\033'));
  assert_int_equal(run("score rfm --orders b.csv --columns 1,2,3 --at 2026-11-22 --format ndjson"), 0);
  assert_int_equal(out[0], '{');
}

static void rfm_says_what_is_wrong(void **state) {
  (void)state;
  write_file("b.csv", baskets);
  write_file("bad.csv", "c,d,a\nx,2006-01-01,3\nx,31/12/2006,3\n");
  write_file("comma.csv", "c;d;a\nx;2006-01-01;1,50\n");
  write_file("short.csv", "c,d,a\nx,2006-01-01\n");
  write_file("empty.csv", "");
  write_file("twice.csv", "c,l,n,s\nx,3,1,1\nx,4,1,1\n");
  write_file("mixed.csv", "c,l,n,s\nx,3,1,1\ny,2006-01-01,1,1\n");
  assert_says("score rfm", 2, "give --orders FILE or --customers FILE, with --columns");
  assert_says("score rfm --orders b.csv --customers b.csv --columns 1,2,3", 2, "give only one of");
  assert_says("score rfm --orders b.csv", 2, "--columns is needed: CUSTOMER,DATE,AMOUNT");
  assert_says("score rfm --orders b.csv --columns 1,2,3", 2, "--at DATE is needed");
  assert_says("score rfm --orders none.csv --columns 1,2,3 --at 2026-01-01", 1, "cannot read none.csv: No such file");
  assert_says("score rfm --orders . --columns 1,2,3 --at 2026-01-01", 1, "cannot read .: Is a directory");
  assert_says("score rfm --orders b.csv --columns custmer,day,amount --at 2026-01-01", 1, "did you mean \"customer\"?");
  assert_says("score rfm --orders b.csv --columns 1,2,9 --at 2026-01-01", 1, "has no column 9: its first line has 5");
  assert_says("score rfm --orders bad.csv --columns c,d,a --at 2026-01-01", 1,
              "bad.csv line 3: \"31/12/2006\" is no date");
  assert_says("score rfm --orders comma.csv --columns c,d,a --at 2026-01-01", 1, "write 1234.50");
  assert_says("score rfm --orders short.csv --columns c,d,a --at 2026-01-01", 1, "line 2: the line has 2 columns");
  assert_says("score rfm --orders empty.csv --columns c,d,a --at 2026-01-01", 1, "empty.csv is empty");
  assert_says("score rfm --orders b.csv --columns 1,2,3 --at 1999-01-01", 1, "there is no customer with an order");
  assert_says("score rfm --orders b.csv --columns 1,2,3 --at 2026-01-01 --method fixed", 2, "needs --thresholds");
  assert_says("score rfm --orders b.csv --columns 1,2,3 --at 2026-01-01 --bins 11", 2, "--bins");
  assert_says("score rfm --customers twice.csv --columns c,l,n,s", 0, "1 line of a customer who stands above already");
  assert_non_null(strstr(out, "\nx,New Customers,511,1,4,1,5,1,1\n"));
  assert_says("score rfm --customers mixed.csv --columns c,l,n,s --at 2026-01-01", 1, "dates and numbers of days");
  assert_says("score rfm --customers mixed.csv --columns c,l,n,s", 2, "--at DATE is needed");
}

// --- customer lifetime value ---------------------------------------------------------------------------------

static void clv_says_what_is_wrong(void **state) {
  (void)state;
  write_file("s.txt", "2 30.43 38.86\n1 50 38.86\n");
  write_file("once.txt", "0 0 10\n0 0 12\n");
  assert_says("score clv --summary s.txt --columns 1,2,3", 1, "s.txt line 2: the recency lies between 0 and the age");
  assert_says("score clv --summary once.txt --columns 1,2,3", 1, "nobody has ordered a second time");
  assert_says("score clv --summary s.txt --columns 1,2", 2, "expected FREQUENCY,RECENCY,T");
  assert_says("score clv --summary s.txt --columns 1,2,3 --horizon 3fortnights", 2, "such as 39weeks");
  assert_says("score clv --summary s.txt --columns 1,2,3 --discount much", 2, "such as 10%");
  assert_says("score clv --summary s.txt --columns 1,2,3 --calibration-end 2026-01-01", 2, "is of --orders");
  assert_says("score clv --orders s.txt --columns 1,2,3 --model bgbb", 2, "needs --summary");
  assert_says("score clv --orders s.txt --columns 1,2,3 --weights 1", 2, "are of --summary");
}

static double number_after(const char *text, const char *name) {
  const char *at = strstr(text, name);
  assert_non_null(at);
  return strtod(at + strlen(name), NULL);
}

static void assert_near(double found, double expected, double most) {
  if (found - expected <= most && expected - found <= most) return;
  print_message("%.10g is not %.10g\n", found, expected);
  fail();
}

static void assert_cdnow_models(void) {
  assert_near(number_after(out, "\"r\":"), 0.243, 1e-3);
  assert_near(number_after(out, "\"alpha\":"), 4.414, 1e-3);
  assert_near(number_after(out, "\"a\":"), 0.793, 1e-3);
  assert_near(number_after(out, "\"b\":"), 2.426, 1e-3);
  assert_true(number_after(out, "\"log_likelihood\":") >= -9582.43);
  const char *spend = strstr(out, "\"gamma_gamma\":");
  assert_near(number_after(spend, "\"p\":"), 6.25, 1e-2);
  assert_near(number_after(spend, "\"q\":"), 3.74, 1e-2);
  assert_near(number_after(spend, "\"v\":"), 15.44, 1e-2);
  assert_near(number_after(spend, "\"log_likelihood\":"), -4055.92, 1e-2);
}

static void cdnow_from_orders_and_from_its_summary(void **state) {
  (void)state;
  char path[1024], line[2048];
  if (!shared_path("cdnow/CDNOW_sample.txt", path, sizeof path)) skip();
  snprintf(line, sizeof line, "score clv --orders %s --columns 1,3,5 --calibration-end 1997-09-30 --horizon 39weeks",
           path);
  assert_int_equal(run(line), 0);
  assert_cdnow_models();
  // The first customer: orders of January and August 1997 again, then one in December.
  const char *first = strstr(out, "\"customer_id\":\"00004\"");
  assert_near(number_after(first, "\"frequency\":"), 2, 0);
  assert_near(number_after(first, "\"t\":"), 38.857143, 1e-6);
  assert_near(number_after(first, "\"monetary\":"), 22.345, 1e-9);
  assert_near(number_after(first, "\"expected_orders\":"), 1.226, 1e-3);
  assert_near(number_after(first, "\"expected_value\":"), 24.65, 1e-2);
  assert_near(number_after(first, "\"orders_after\":"), 1, 0);
  assert_true(shared_path("cdnow/cdnow_customers_summary_with_transactions.csv", path, sizeof path));
  snprintf(line, sizeof line, "score clv --summary %s --columns x,t_x,T,zbar --id ID --horizon 39weeks", path);
  assert_int_equal(run(line), 0);
  assert_cdnow_models();
  snprintf(line + strlen(line), 64, " --format text");
  assert_int_equal(run(line), 0);
  assert_non_null(strstr(out, "2357 customers, of whom"));
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

// The rows of a CSV text without header and first column, which may be quoted, sorted.
static size_t rows_of(char *text, char **rows, size_t room) {
  size_t count = 0;
  char *rest = NULL;
  strtok_r(text, "\r\n", &rest);
  for (char *line = strtok_r(NULL, "\r\n", &rest); line != NULL && count < room; line = strtok_r(NULL, "\r\n", &rest)) {
    char *at = line[0] == '"' ? strchr(line + 1, '"') : line;
    assert_non_null(at);
    rows[count++] = strchr(at, ',');
  }
  qsort(rows, count, sizeof *rows, by_text);
  return count;
}

// Names are cut in the published orders, so rows are compared without them.
static void the_published_table_of_995_customers(void **state) {
  (void)state;
  enum { ROOM = 1200 };
  static char published[OUT_BYTES];
  static char *ours[ROOM], *theirs[ROOM];
  char path[1024], line[2048];
  if (!shared_path("rfm_orders/rfm_data_orders.csv", path, sizeof path)) skip();
  snprintf(line, sizeof line, "score rfm --orders %s --columns customer_id,order_date,revenue --at 2006-12-31", path);
  assert_int_equal(run(line), 0);
  assert_true(shared_path("rfm_orders/published_rfm_orders_995.csv", path, sizeof path));
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  published[fread(published, 1, sizeof published - 1, file)] = '\0';
  fclose(file);
  assert_int_equal(rows_of(out, ours, ROOM), 995);
  assert_int_equal(rows_of(published, theirs, ROOM), 995);
  for (size_t i = 0; i < 995; i++) assert_string_equal(ours[i], theirs[i]);
}

static void assert_about(const char *name, double expected, double most) {
  const char *at = strstr(out, name);
  assert_non_null(at);
  assert_true(fabs(strtod(at + strlen(name), NULL) - expected) <= most);
}

static void assert_number(const char *name, double expected) {
  assert_about(name, expected, 1e-9);
}

// Orders of a hundred customers at uneven times, as a file of orders and as events of a workspace. An order that comes
// twice counts once, an amount comes as text of either form, and what came back is no order.
static void write_orders(void) {
  FILE *orders = fopen("w.csv", "we"), *events = fopen("w.ndjson", "we");
  unsigned random = 7;
  assert_true(orders != NULL && events != NULL);
  fprintf(orders, "customer,day,amount\n");
  for (int customer = 1; customer <= 100; customer++)
    for (int day = customer % 28; day < 330; day += 5 + customer % 60 + (int)(random >> 16) % 40) {
      random = random * 1103515245u + 12345u;
      int month = day / 28 + 1, of_month = day % 28 + 1, cents = (int)(random >> 16) % 20000 + 100;
      fprintf(orders, "c%d,2025-%02d-%02d,%d.%02d\n", customer, month, of_month, cents / 100, cents % 100);
      for (int again = 0; again < 1 + (day % 7 == 0); again++)
        fprintf(events,
                "{\"type\":\"track\",\"event\":\"Order Completed\",\"messageId\":\"m%d-%d-%d\",\"userId\":\"u%d\","
                "\"timestamp\":\"2025-%02d-%02dT%02d:00:00Z\",\"properties\":{\"order_id\":\"o%d-%d\",\"total\":%d.%"
                "02d}}\n",
                customer, day, again, customer, month, of_month, 8 + again, customer, day, cents / 100, cents % 100);
      if (day % 5 == 0)
        fprintf(events,
                "{\"type\":\"track\",\"event\":\"Order Refunded\",\"messageId\":\"r%d-%d\",\"userId\":\"u%d\","
                "\"timestamp\":\"2025-12-%02dT12:00:00Z\",\"properties\":{\"order_id\":\"o%d-%d\",\"total\":5}}\n",
                customer, day, customer, of_month, customer, day);
    }
  assert_int_equal(fclose(orders), 0);
  assert_int_equal(fclose(events), 0);
}

static void a_workspace_says_what_a_file_says(void **state) {
  (void)state;
  write_orders();
  assert_int_equal(run("init --data w"), 0);
  assert_int_equal(run("import w.ndjson --threads 1 --data w"), 0);
  assert_int_equal(run("score clv --orders w.csv --columns 1,2,3 --calibration-end 2025-09-30 --horizon 10weeks"), 0);
  strcpy(before, out);
  assert_non_null(strstr(before, "\"gamma_gamma\""));
  assert_non_null(strstr(before, "orders_after"));
  for (int threads = 1; threads <= 3; threads++) {
    char line[128];
    snprintf(line, sizeof line, "score clv --data w --calibration-end 2025-09-30 --horizon 10weeks --query-threads %d",
             threads);
    assert_int_equal(run(line), 0);
    assert_string_equal(out, before);
  }
  assert_says("score clv --data w --calibration-end 2020-01-01", 1, "nobody ordered up to the end of calibration");
  assert_int_equal(run("init --data empty"), 0);
  assert_says("score clv --data empty", 1, "the settings of reports say which event is one");
  assert_says("score clv --data w --columns 1,2", 2, "--columns is of a file");
  assert_says("score clv", 2, "or --data DIR");
}

// Who looks at phones in a month most often buys one in the next; half of the others never look.
static void write_shop(int customers) {
  FILE *events = fopen("shop.ndjson", "we");
  unsigned random = 11;
  assert_non_null(events);
  for (int customer = 1; customer <= customers; customer++)
    for (int month = 1; month <= 8; month++) {
      random = random * 1103515245u + 12345u;
      bool looks = (random >> 16) % 3 == 0, buys = looks ? (random >> 20) % 4 != 0 : (random >> 20) % 16 == 0;
      fprintf(
          events,
          "{\"type\":\"track\",\"event\":\"Product Viewed\",\"messageId\":\"v%d-%d\",\"userId\":\"u%d\",\"timestamp\":"
          "\"2026-%02d-27T10:00:00Z\",\"properties\":{\"category\":\"%s\"}}\n",
          customer, month, customer, month, looks ? "Phones" : "Cases");
      fprintf(
          events,
          "{\"type\":\"track\",\"event\":\"Order Completed\",\"messageId\":\"o%d-%d\",\"userId\":\"u%d\",\"timestamp\":"
          "\"2026-%02d-09T10:00:00Z\",\"properties\":{\"order_id\":\"%d-%d\",\"total\":10,\"products\":[{\"sku\":\"a\","
          "\"category\":\"%s\",\"price\":10,\"quantity\":1}]}}\n",
          customer, month, customer, month + 1, customer, month, buys ? "Phones" : "Cases");
    }
  assert_int_equal(fclose(events), 0);
}

static void appetence_of_a_range(void **state) {
  (void)state;
  write_shop(300);
  assert_int_equal(run("init --data shop"), 0);
  assert_int_equal(run("import shop.ndjson --data shop"), 0);
  const char *line = "score appetence --range Phones --data shop --test-clock 2026-09-01T00:00:00Z --format ndjson";
  assert_int_equal(run(line), 0);
  strcpy(before, out);
  assert_non_null(strstr(before, "{\"range\":\"Phones\",\"horizon_days\":30,"));
  assert_non_null(strstr(before, "{\"customer_id\":\"c1\",\"probability\":0."));
  const char *auc = strstr(before, "\"auc\":");
  assert_non_null(auc);
  assert_true(strtod(auc + strlen("\"auc\":"), NULL) > 0.8);
  for (int threads = 1; threads <= 3; threads++) {
    char again[256];
    snprintf(again, sizeof again, "%s --query-threads %d", line, threads);
    assert_int_equal(run(again), 0);
    assert_string_equal(out, before);
  }
  assert_int_equal(run("score appetence --range Phones --data shop --test-clock 2026-09-01T00:00:00Z --format csv"), 0);
  assert_true(strncmp(out, "customer_id,probability,decile,orders\n", 38) == 0);
  assert_non_null(strstr(errors, "\"reliability\""));
  assert_int_equal(run("score appetence --range Phones --data shop --test-clock 2026-09-01T00:00:00Z --format text"),
                   0);
  assert_non_null(strstr(out, " of 300 customers are expected to buy in Phones within 30 days"));
}

// A version that was kept says the same of the same day.
static void appetence_that_is_kept(void **state) {
  (void)state;
  const char *clock = "--data shop --test-clock 2026-09-01T00:00:00Z";
  char line[256];
  snprintf(line, sizeof line, "score appetence models %s", clock);
  assert_int_equal(run(line), 0);
  snprintf(line, sizeof line, "score appetence --range Phones --save %s --json", clock);
  assert_int_equal(run(line), 0);
  assert_non_null(strstr(out, "\"version\":1,"));
  snprintf(line, sizeof line, "score appetence --range Cases --horizon 60days --save %s --json", clock);
  assert_int_equal(run(line), 0);
  assert_non_null(strstr(out, "\"version\":2,"));
  snprintf(line, sizeof line, "score appetence models %s", clock);
  assert_int_equal(run(line), 0);
  assert_non_null(strstr(out, "      2  2026-09-01  Cases"));
  assert_non_null(strstr(out, "      1  2026-09-01  Phones"));
  snprintf(line, sizeof line, "score appetence --range Phones %s --format csv", clock);
  assert_int_equal(run(line), 0);
  strcpy(before, out);
  snprintf(line, sizeof line, "score appetence --model-version 1 %s --format csv", clock);
  assert_int_equal(run(line), 0);
  assert_string_equal(out, before);
  assert_says("score appetence --model-version 3 --data shop", 1, "no model has the version 3");
  assert_says("score appetence --model-version 1 --range Phones --data shop", 2, "has its range");
  assert_says("score appetence lists --data shop", 2, "`models` lists");
}

// Whoever looked bought four times of five, the others once: two columns of which one says nothing.
static void appetence_of_a_file(void **state) {
  (void)state;
  FILE *file = fopen("f.csv", "we");
  assert_non_null(file);
  fprintf(file, "id,bought,looks,always\n");
  for (int i = 0; i < 1000; i++) fprintf(file, "n%d,%d,%d,7\n", i, i % 2 == 0 ? i % 10 != 0 : i % 10 == 1, i % 2 == 0);
  fprintf(file, "\"new, one\",,1,7\nother,,0,7\n");
  assert_int_equal(fclose(file), 0);
  assert_int_equal(run("score appetence --customers f.csv --columns id,bought,looks,always --format csv"), 0);
  assert_about("\"new, one\",", 0.8, 0.05);
  assert_about("\nother,", 0.2, 0.05);
  assert_non_null(strstr(errors, "\"name\":\"always\",\"mean\":7,\"scale\":0,\"coefficient\":0}"));
  assert_int_equal(run("score appetence --customers f.csv --columns 1,2,3"), 0);
  assert_non_null(strstr(out, "{\"customer_id\":\"n0\",\"probability\":0."));
  write_file("g.csv", "id,bought,looks\na,maybe,1\n");
  assert_says("score appetence --customers g.csv --columns id,bought,looks", 1, "expected 1, 0 or nothing");
  assert_says("score appetence --customers g.csv --columns id,bought", 2, "CUSTOMER,BOUGHT,FEATURE");
  write_file("h.csv", "id,bought,looks\na,,1\n");
  assert_says("score appetence --customers h.csv --columns id,bought,looks", 1, "nobody to learn from");
}

static void appetence_of_little(void **state) {
  (void)state;
  assert_says("score appetence --data shop", 2, "which range of products?");
  assert_says("score appetence --range Phone --data shop", 1, "\"Phone\"; there are: Cases, Phones");
  assert_says("score appetence --range Phones --data shop --horizon soon", 2, "--horizon is");
  assert_says("score appetence --range Phones --data shop --horizon 2years --test-clock 2026-09-01T00:00:00Z", 1,
              "a shorter horizon");
  assert_int_equal(run("init --data nobody"), 0);
  assert_says("score appetence --range Phones --data nobody", 1, "no order says which ranges");
  // One customer, who always buys.
  write_file("one.ndjson",
             "{\"type\":\"track\",\"event\":\"Order Completed\",\"messageId\":\"1\",\"userId\":\"u\",\"timestamp\":"
             "\"2026-01-09T10:00:00Z\",\"properties\":{\"products\":[{\"category\":\"Phones\"}]}}\n"
             "{\"type\":\"track\",\"event\":\"Order Completed\",\"messageId\":\"2\",\"userId\":\"u\",\"timestamp\":"
             "\"2026-02-09T10:00:00Z\",\"properties\":{\"products\":[{\"category\":\"Phones\"}]}}\n");
  assert_int_equal(run("init --data one"), 0);
  assert_int_equal(run("import one.ndjson --data one"), 0);
  assert_int_equal(run("score appetence --range Phones --data one --test-clock 2026-02-10T00:00:00Z --format csv"), 0);
  assert_string_equal(out, "customer_id,probability,decile,orders\nc1,0.750000,1,2\n");
}

// 60 of 1,000 against 40 of 1,000: 20 buyers more, sqrt(.06 .94 / 999 + .04 .96 / 999) the error of the difference.
static void lift_of_counts(void **state) {
  (void)state;
  assert_int_equal(run("lift --treated 60/1000 --control 40/1000 --value 50 --cost 500 --json"), 0);
  assert_number("\"lift\":", 0.5);
  assert_number("\"incremental\":", 20);
  assert_number("\"incremental_revenue\":", 1000);
  assert_number("\"iroas\":", 2);
  assert_int_equal(run("lift --treated 60/1000 --control 40/1000"), 0);
  assert_non_null(strstr(out, "Lift of the rate      +50.0%\n"));
  assert_non_null(strstr(out, "No chance"));
  assert_int_equal(run("lift --treated 60/1000 --control 0/50 --json"), 0);
  assert_non_null(strstr(out, "\"lift\":null"));
  assert_non_null(strstr(errors, "the control group has 0 who bought"));
}

static void lift_of_a_file(void **state) {
  (void)state;
  write_file("l.csv",
             "group,revenue,before\nmail,12,10\nmail,22,20\nmail,0,0\nControl,10,10\nControl,20,20\nControl,0,0\n");
  assert_int_equal(run("lift --customers l.csv --columns group,revenue,before --json"), 0);
  assert_non_null(strstr(out, "\"revenue_per_customer\":10}"));
  assert_number("\"incremental_revenue\":", 4);
  assert_int_equal(run("lift --customers l.csv --columns group,revenue"), 0);
  assert_non_null(strstr(out, "It may be chance"));
  assert_says("lift --customers l.csv --columns group,revenue --control holdout", 1,
              "--control says how the file calls");
}

static void lift_is_refused_with_the_fix(void **state) {
  (void)state;
  assert_says("lift", 2, "give --treated BOUGHT/CUSTOMERS");
  assert_says("lift --treated 5 --control 4/9", 2, "such as 540/9000");
  assert_says("lift --treated 9/5 --control 4/9", 2, "such as 540/9000");
  assert_says("lift --treated 5/9 --control 4/9 --cost 7", 2, "--cost needs --value");
  assert_says("lift --treated 5/9 --control 4/9 --confidence 95", 2, "a share such as 95%");
  assert_says("lift --treated 5/9 --control 4/9 --value -1", 2, "an amount above 0");
}

// (1.96 + 0.84)^2 (.05 .95 + .06 .94) / .01^2 in each of two equal groups.
static void sample_sizes(void **state) {
  (void)state;
  assert_int_equal(run("lift sample-size 5% 6% --control 50% --json"), 0);
  assert_non_null(strstr(out, "\"treated\":8155,\"control\":8155,\"customers\":16310}"));
  strcpy(before, out);
  assert_int_equal(run("lift sample-size 0.05 +20% --control 0.5 --json"), 0);
  assert_string_equal(out, before);
  assert_int_equal(run("lift sample-size 10 11 --deviation 10"), 0);
  assert_non_null(strstr(out, "8722 customers: 7849 get the campaign, 873 (10%) do not."));
  assert_says("lift sample-size 5% 5%", 2, "both are the same");
  assert_says("lift sample-size 60% +90%", 2, "no share between 0 and 100%");
  assert_says("lift sample-size 12 13", 2, "--deviation");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(orders_make_scores),
      cmocka_unit_test(ranges_have_thresholds_of_their_own),
      cmocka_unit_test(customers_with_dates_or_days),
      cmocka_unit_test(forms_and_moves),
      cmocka_unit_test(rfm_says_what_is_wrong),
      cmocka_unit_test(clv_says_what_is_wrong),
      cmocka_unit_test(cdnow_from_orders_and_from_its_summary),
      cmocka_unit_test(the_published_table_of_995_customers),
      cmocka_unit_test(a_workspace_says_what_a_file_says),
      cmocka_unit_test(appetence_of_a_range),
      cmocka_unit_test(appetence_that_is_kept),
      cmocka_unit_test(appetence_of_little),
      cmocka_unit_test(appetence_of_a_file),
      cmocka_unit_test(lift_of_counts),
      cmocka_unit_test(lift_of_a_file),
      cmocka_unit_test(lift_is_refused_with_the_fix),
      cmocka_unit_test(sample_sizes),
  };
  return cmocka_run_group_tests(tests, make_root, remove_root);
}
