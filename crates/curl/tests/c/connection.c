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
  printf("%d failures\n", failures);
  return failures != 0;
}
