/*
 * What was begun by a thread that has ended since: a connect, a receive and a send, each of which has to wait. (io_uring
 * cancels them.)
 */
#include <fcntl.h>

#include "serve.h"

#define BODY (16 * 1024 * 1024)

static CURLM *multi;
static int running;
static CURLcode result;

static size_t take(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  *(size_t *)to += size * count;
  return size * count;
}

static size_t give(char *data, size_t size, size_t count, void *from)
{
  size_t *given = from, at = 0;
  while(at < size * count && *given < BODY)
    data[at++] = (char)serve_byte((*given)++);
  return at;
}

static void step(int wait)
{
  EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
  if(running)
    EQUAL(curl_multi_poll(multi, NULL, 0, wait, NULL), CURLM_OK);
}

/* Goes on to the end. */
static void finish(void)
{
  CURLMsg *message;
  int left;
  do
    step(1000);
  while(running);
  message = curl_multi_info_read(multi, &left);
  CHECK(message != NULL);
  result = message ? message->data.result : CURLE_OK;
}

/* Does this on a thread of its own. */
static void by_another(void *(*work)(void *), void *with)
{
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, work, with) == 0);
  pthread_join(thread, NULL);
}

static void *begin(void *unused)
{
  (void)unused;
  step(0);
  step(0);
  return NULL;
}

/* Until the request has arrived, and a little further. */
static void *begin_asking(void *heads)
{
  while(serve_heads < (int)(intptr_t)heads)
    step(10);
  step(0);
  return begin(NULL);
}

/* Until nothing goes on any more. */
static void *begin_sending(void *easy)
{
  curl_off_t before = 0, sent = 0;
  int still = 0;
  while(still < 20) {
    step(10);
    curl_easy_getinfo((CURL *)easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    still = sent > 0 && sent == before ? still + 1 : 0;
    before = sent;
  }
  CHECK(sent < BODY);
  return NULL;
}

static CURL *add(int port, size_t *bytes)
{
  char url[64];
  CURL *easy = curl_easy_init();
  snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
  *bytes = 0;
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, bytes);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, 45L);
  EQUAL(curl_multi_add_handle(multi, easy), CURLM_OK);
  running = 1;
  return easy;
}

static void end(CURL *easy, size_t bytes)
{
  EQUAL(result, CURLE_OK);
  EQUAL(bytes, 4);
  EQUAL(curl_multi_remove_handle(multi, easy), CURLM_OK);
  curl_easy_cleanup(easy);
}

static void a_connect(void)
{
  int port, at, fillers[4], listener = serve_listen(0, &port);
  struct sockaddr_in address = {0};
  size_t bytes;
  CURL *easy;
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)port);
  for(at = 0; at < 4; at++) {
    fillers[at] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)!connect(fillers[at], (struct sockaddr *)&address, sizeof(address));
  }
  easy = add(port, &bytes);
  by_another(begin, NULL);
  EQUAL(running, 1);
  for(at = 0; at < 4; at++)
    close(fillers[at]);
  serve_start(listener);
  finish();
  end(easy, bytes);
}

static void a_receive(int port)
{
  size_t bytes;
  CURL *easy;
  serve_go(0);
  easy = add(port, &bytes);
  by_another(begin_asking, (void *)(intptr_t)(serve_heads + 1));
  serve_go(1);
  finish();
  end(easy, bytes);
}

static void a_send(int port)
{
  size_t bytes, given = 0;
  CURL *easy = curl_easy_init();
  char url[64];
  serve_go(0);
  bytes = 0;
  snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &bytes);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, 45L);
  curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy, CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);
  curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)BODY);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, give);
  curl_easy_setopt(easy, CURLOPT_READDATA, &given);
  EQUAL(curl_multi_add_handle(multi, easy), CURLM_OK);
  by_another(begin_sending, easy);
  serve_go(1);
  finish();
  EQUAL(given, BODY);
  end(easy, bytes);
}

int main(void)
{
  int port, round;
  multi = curl_multi_init();
  serve_start(serve_listen(16, &port));
  for(round = 0; round < 2; round++) {
    a_receive(port);
    a_send(port);
  }
  a_connect();
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
  printf("%d failures\n", failures);
  return failures != 0;
}
