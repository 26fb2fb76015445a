/* What is on sockets beside what a driver carries, in one multi: limits, fixed addresses, and whose address is told. */
#include "serve.h"

#define MANY 6

static CURLM *multi;
static int port;
static int opened;

static size_t take(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  (void)to;
  return size * count;
}

static int set_up(void *unused, curl_socket_t fd, curlsocktype purpose)
{
  (void)unused;
  CHECK(fd >= 0 && purpose == CURLSOCKTYPE_IPCXN);
  opened++;
  return CURL_SOCKOPT_OK;
}

static CURL *new_handle(const char *host, int needs_socket)
{
  CURL *easy = curl_easy_init();
  char url[64];
  snprintf(url, sizeof(url), "http://%s:%d/", host, port);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, 30L);
  if(needs_socket)
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_up);
  return easy;
}

static void step(int *running)
{
  EQUAL(curl_multi_perform(multi, running), CURLM_OK);
  if(*running)
    EQUAL(curl_multi_poll(multi, NULL, 0, 1000, NULL), CURLM_OK);
}

static void run(void)
{
  CURLMsg *message;
  int left, running = 1;
  while(running)
    step(&running);
  while((message = curl_multi_info_read(multi, &left)))
    EQUAL(message->data.result, CURLE_OK);
}

static void limits(CURLMoption which, long most)
{
  CURL *handles[MANY];
  int at;
  multi = curl_multi_init();
  serve_most = 0;
  serve_takes = 50;
  EQUAL(curl_multi_setopt(multi, which, most), CURLM_OK);
  for(at = 0; at < MANY; at++) {
    handles[at] = new_handle("127.0.0.1", at % 2);
    EQUAL(curl_multi_add_handle(multi, handles[at]), CURLM_OK);
  }
  run();
  EQUAL(serve_most, most);
  for(at = 0; at < MANY; at++) {
    curl_multi_remove_handle(multi, handles[at]);
    curl_easy_cleanup(handles[at]);
  }
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
}

/* One that is not begun yet may be taken out. */
static void one_that_waits(void)
{
  CURL *first = new_handle("127.0.0.1", 0), *second = new_handle("127.0.0.1", 1);
  int running;
  multi = curl_multi_init();
  EQUAL(curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 1L), CURLM_OK);
  EQUAL(curl_multi_add_handle(multi, first), CURLM_OK);
  EQUAL(curl_multi_add_handle(multi, second), CURLM_OK);
  EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
  EQUAL(running, 2);
  EQUAL(curl_multi_remove_handle(multi, second), CURLM_OK);
  EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
  CHECK(running <= 1);
  run();
  curl_easy_cleanup(second);
  curl_multi_remove_handle(multi, first);
  curl_easy_cleanup(first);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
}

/* Each knows what another one has said of a name, by whatever it is carried. */
static void fixed(int needs_socket)
{
  char line[64];
  struct curl_slist *list;
  CURL *first = new_handle("one.test", needs_socket), *second = new_handle("one.test", !needs_socket);
  multi = curl_multi_init();
  snprintf(line, sizeof(line), "one.test:%d:127.0.0.1", port);
  list = curl_slist_append(NULL, line);
  curl_easy_setopt(first, CURLOPT_RESOLVE, list);
  EQUAL(curl_multi_add_handle(multi, first), CURLM_OK);
  run();
  EQUAL(curl_multi_add_handle(multi, second), CURLM_OK);
  run();
  curl_multi_remove_handle(multi, first);
  curl_multi_remove_handle(multi, second);
  curl_easy_cleanup(first);
  curl_easy_cleanup(second);
  curl_slist_free_all(list);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
}

/* What is told of a handle is of its own connection, or nothing. */
static void addresses(void)
{
  CURL *own = new_handle("127.0.0.1", 0), *other = new_handle("127.0.0.1", 1);
  long its = 0, others = 0, last = 0;
  multi = curl_multi_init();
  serve_takes = 200;
  EQUAL(curl_multi_add_handle(multi, own), CURLM_OK);
  EQUAL(curl_multi_add_handle(multi, other), CURLM_OK);
  run();
  EQUAL(curl_easy_getinfo(own, CURLINFO_LOCAL_PORT, &its), CURLE_OK);
  EQUAL(curl_easy_getinfo(other, CURLINFO_LOCAL_PORT, &others), CURLE_OK);
  EQUAL(curl_easy_getinfo(own, CURLINFO_LASTSOCKET, &last), CURLE_OK);
  CHECK(others > 0);
  CHECK(its != others);
  EQUAL(last, -1);
  curl_multi_remove_handle(multi, own);
  curl_multi_remove_handle(multi, other);
  curl_easy_cleanup(own);
  curl_easy_cleanup(other);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
}

static int told;

static int tell(CURLM *unused, long wait, void *also)
{
  (void)unused;
  (void)wait;
  (void)also;
  told++;
  return 0;
}

/* The timer is told when it changes, and not with each call. */
static void timers(void)
{
  CURL *easy = new_handle("127.0.0.1", 0);
  int running, at, before;
  multi = curl_multi_init();
  serve_go(0);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, tell);
  before = serve_heads;
  EQUAL(curl_multi_add_handle(multi, easy), CURLM_OK);
  CHECK(told > 0);
  while(serve_heads == before)
    step(&running);
  /* what has come of that by now */
  for(at = 0; at < 10; at++)
    EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
  before = told;
  for(at = 0; at < 200; at++)
    EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
  CHECK(told - before < 20);
  serve_go(1);
  run();
  curl_multi_remove_handle(multi, easy);
  curl_easy_cleanup(easy);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
}

int main(void)
{
  serve_start(serve_listen(64, &port));
  limits(CURLMOPT_MAX_TOTAL_CONNECTIONS, 1);
  limits(CURLMOPT_MAX_TOTAL_CONNECTIONS, 2);
  limits(CURLMOPT_MAX_HOST_CONNECTIONS, 2);
  one_that_waits();
  fixed(0);
  fixed(1);
  addresses();
  timers();
  CHECK(opened > 0);
  printf("%d failures\n", failures);
  return failures != 0;
}
