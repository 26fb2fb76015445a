/*
 * A connection that a program speaks on by itself (CURLOPT_CONNECT_ONLY), and the same handle used for a transfer after it.
 *
 * connection URL: of a file of 300,000 bytes
 */
#include <poll.h>

#include "check.h"

static size_t count(char *data, size_t size, size_t number, void *to)
{
  (void)data;
  *(size_t *)to += size * number;
  return size * number;
}

static int before(void *seen, char *to, char *from, int port, int local)
{
  CHECK(*to && *from && port > 0 && local > 0);
  ++*(int *)seen;
  return CURL_PREREQFUNC_OK;
}

static CURL *linked;

/* Speaks on another handle's connection of the same multi, and gives it up. */
static size_t within(char *data, size_t size, size_t number, void *to)
{
  size_t bytes = 0;
  (void)data;
  if(!*(size_t *)to) {
    char buffer[10];
    EQUAL(curl_easy_send(linked, "GET", 3, &bytes), CURLE_OK);
    EQUAL(bytes, 3);
    EQUAL(curl_easy_recv(linked, buffer, sizeof(buffer), &bytes), CURLE_AGAIN);
    curl_easy_cleanup(linked);
  }
  *(size_t *)to += size * number;
  return size * number;
}

static void run(CURLM *multi)
{
  CURLMsg *message;
  int running = 1, left;
  while(running) {
    EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
    if(running)
      EQUAL(curl_multi_poll(multi, NULL, 0, 1000, NULL), CURLM_OK);
  }
  while((message = curl_multi_info_read(multi, &left)))
    EQUAL(message->data.result, CURLE_OK);
}

static void within_a_callback(const char *url)
{
  CURLM *multi = curl_multi_init();
  CURL *other = curl_easy_init();
  size_t all = 0;
  linked = curl_easy_init();
  curl_easy_setopt(linked, CURLOPT_URL, url);
  curl_easy_setopt(linked, CURLOPT_CONNECT_ONLY, 1L);
  EQUAL(curl_multi_add_handle(multi, linked), CURLM_OK);
  run(multi);
  EQUAL(curl_multi_remove_handle(multi, linked), CURLM_OK);
  curl_easy_setopt(other, CURLOPT_URL, url);
  curl_easy_setopt(other, CURLOPT_WRITEFUNCTION, within);
  curl_easy_setopt(other, CURLOPT_WRITEDATA, &all);
  EQUAL(curl_multi_add_handle(multi, other), CURLM_OK);
  run(multi);
  EQUAL(all, 300000);
  curl_easy_cleanup(other);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
}

int main(int argc, char **argv)
{
  static const char asked[] = "GET /big.bin HTTP/1.0\r\n\r\n";
  static char buffer[20000];
  CURL *easy = curl_easy_init();
  curl_socket_t fd = CURL_SOCKET_BAD;
  size_t bytes = 0, all = 0;
  int seen = 0;
  CURLcode code = CURLE_OK;

  if(argc < 2)
    return 2;
  curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
  EQUAL(curl_easy_recv(easy, buffer, 1, &bytes), CURLE_UNSUPPORTED_PROTOCOL);
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  EQUAL(curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd), CURLE_OK);
  CHECK(fd != CURL_SOCKET_BAD);
  EQUAL(curl_easy_recv(easy, buffer, sizeof(buffer), &bytes), CURLE_AGAIN);
  EQUAL(curl_easy_send(easy, asked, sizeof(asked) - 1, &bytes), CURLE_OK);
  EQUAL(bytes, sizeof(asked) - 1);
  do {
    struct pollfd wait = {fd, POLLIN, 0};
    code = curl_easy_recv(easy, buffer, sizeof(buffer), &bytes);
    if(code == CURLE_AGAIN)
      CHECK(poll(&wait, 1, 10000) == 1);
    else
      all += bytes;
  } while(code == CURLE_AGAIN || (code == CURLE_OK && bytes));
  EQUAL(code, CURLE_OK);
  CHECK(all > 300000 && all < 301000);

  all = 0;
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 0L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &all);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, &seen);
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  EQUAL(all, 300000);
  EQUAL(seen, 1);
  curl_easy_cleanup(easy);
  within_a_callback(argv[1]);
  printf("%d failures\n", failures);
  return failures != 0;
}
