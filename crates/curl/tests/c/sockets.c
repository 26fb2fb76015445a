/*
 * Sockets that the program opens, sets up and closes; what it is told before a look-up; hosts that are asked over TLS alone.
 *
 * sockets URL: of a server on 127.0.0.1 that answers "fine"
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static int opened, set_up, closed, told;
static int given = -1, answer, elsewhere;

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
  struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&address->addr;
  CHECK(data == &opened);
  EQUAL(purpose, CURLSOCKTYPE_IPCXN);
  EQUAL(address->family, AF_INET);
  EQUAL(address->socktype, SOCK_STREAM);
  EQUAL(address->protocol, IPPROTO_TCP);
  EQUAL(address->addrlen, sizeof(*v4));
  EQUAL(v4->sin_family, AF_INET);
  opened++;
  if(elsewhere)
    v4->sin_port = htons((unsigned short)elsewhere);
  if(given != -1)
    return given;
  return answer == -1 ? CURL_SOCKET_BAD : socket(AF_INET, SOCK_STREAM, 0);
}

static int set_socket_up(void *data, curl_socket_t fd, curlsocktype purpose)
{
  int on = 1;
  CHECK(data == &set_up);
  EQUAL(purpose, CURLSOCKTYPE_IPCXN);
  EQUAL(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
  set_up++;
  return answer > 0 ? answer : CURL_SOCKOPT_OK;
}

static int close_socket(void *data, curl_socket_t fd)
{
  CHECK(data == &closed);
  closed++;
  EQUAL(close(fd), 0);
  return 0;
}

static size_t take(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  *(size_t *)to += size * count;
  return size * count;
}

static int before_lookup(void *state, void *reserved, void *data)
{
  (void)state;
  CHECK(!reserved && data == &told);
  told++;
  return answer;
}

static size_t bytes;

static CURL *handle(const char *url)
{
  CURL *easy = curl_easy_init();
  opened = set_up = closed = told = answer = 0;
  bytes = 0;
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &bytes);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &opened);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_socket_up);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, &set_up);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &closed);
  return easy;
}

static void sockets(const char *url)
{
  struct sockaddr_in address;
  unsigned port = 0;
  CURL *easy = handle(url);
  CHECK(sscanf(url, "http://127.0.0.1:%u/", &port) == 1);
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_port = htons((unsigned short)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

  /* one socket for two transfers */
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  EQUAL(bytes, 8);
  EQUAL(opened, 1);
  EQUAL(set_up, 1);
  EQUAL(closed, 0);
  curl_easy_cleanup(easy);
  EQUAL(closed, 1);

  /* each by itself, and none at all */
  easy = handle(url);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, NULL);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, NULL);
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  curl_easy_cleanup(easy);
  EQUAL(closed, 1);
  easy = handle(url);
  answer = -1;
  EQUAL(curl_easy_perform(easy), CURLE_COULDNT_CONNECT);
  CHECK(opened >= 1);
  EQUAL(set_up, 0);
  curl_easy_cleanup(easy);
  EQUAL(closed, 0);

  /* what cannot be set up is closed */
  easy = handle(url);
  answer = CURL_SOCKOPT_ERROR;
  EQUAL(curl_easy_perform(easy), CURLE_ABORTED_BY_CALLBACK);
  EQUAL(closed, opened);
  answer = 0;
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  curl_easy_cleanup(easy);
  EQUAL(closed, opened);

  /* one that is connected already, to wherever */
  easy = handle("http://127.0.0.1:1/");
  given = socket(AF_INET, SOCK_STREAM, 0);
  EQUAL(connect(given, (struct sockaddr *)&address, sizeof(address)), 0);
  answer = CURL_SOCKOPT_ALREADY_CONNECTED;
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  EQUAL(bytes, 4);
  curl_easy_cleanup(easy);
  EQUAL(closed, 1);
  given = -1;

  /* one that goes elsewhere */
  easy = handle("http://127.0.0.1:1/");
  elsewhere = (int)port;
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  EQUAL(bytes, 4);
  curl_easy_cleanup(easy);
  elsewhere = 0;

  /* what cannot connect is closed, too */
  easy = handle("http://127.0.0.1:1/");
  EQUAL(curl_easy_perform(easy), CURLE_COULDNT_CONNECT);
  EQUAL(opened, 1);
  EQUAL(closed, 1);
  curl_easy_cleanup(easy);
  EQUAL(closed, 1);
}

static void probes(const char *url)
{
  curl_socket_t fd = CURL_SOCKET_BAD;
  int value = 0;
  socklen_t length = sizeof(value);
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 77L);
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  EQUAL(curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd), CURLE_OK);
  EQUAL(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &length), 0);
  EQUAL(value, 1);
  EQUAL(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &length), 0);
  EQUAL(value, 77);
  curl_easy_cleanup(easy);
}

static void lookups(const char *url)
{
  CURL *easy = handle(url);
  curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, before_lookup);
  curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, &told);
  answer = 1;
  EQUAL(curl_easy_perform(easy), CURLE_ABORTED_BY_CALLBACK);
  EQUAL(opened, 0);
  answer = 0;
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  EQUAL(told, 2);
  curl_easy_cleanup(easy);
}

static const char *hosts[][2] = {
  {"one.example", "22250320 01:02:03"}, {"two.example.", ""},       {"three.example", "22250319 01:02:03"},
  {".three.example", "21250319 01:02:03"}, {"gone.example", "20010101 00:00:00"}, {NULL, NULL},
};

static CURLSTScode give_host(CURL *easy, struct curl_hstsentry *entry, void *data)
{
  int *next = data;
  CHECK(easy != NULL && entry->namelen > 100);
  if(*next < 0)
    return CURLSTS_FAIL;
  if(!hosts[*next][0])
    return CURLSTS_DONE;
  strcpy(entry->name, hosts[*next][0]);
  strcpy(entry->expire, hosts[*next][1]);
  ++*next;
  return CURLSTS_OK;
}

static char written[500];

static CURLSTScode take_host(CURL *easy, struct curl_hstsentry *entry, struct curl_index *index, void *data)
{
  char line[100];
  CHECK(easy != NULL && data == written);
  EQUAL(entry->namelen, strlen(entry->name));
  snprintf(line, sizeof(line), "%zu/%zu %s%s %s;", index->index, index->total, entry->includeSubDomains ? "." : "",
           entry->name, entry->expire);
  strcat(written, line);
  return CURLSTS_OK;
}

static void secured(const char *url)
{
  int next = 0;
  char *name = NULL;
  CURLSH *share = curl_share_init();
  CURL *easy = handle(url);
  EQUAL(curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_HSTS), CURLSHE_OK);
  curl_easy_setopt(easy, CURLOPT_SHARE, share);
  curl_easy_setopt(easy, CURLOPT_HSTSREADFUNCTION, give_host);
  curl_easy_setopt(easy, CURLOPT_HSTSREADDATA, &next);
  curl_easy_setopt(easy, CURLOPT_HSTSWRITEFUNCTION, take_host);
  curl_easy_setopt(easy, CURLOPT_HSTSWRITEDATA, written);
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  curl_easy_cleanup(easy);
  if(strcmp(written, "0/3 one.example 22250320 01:02:03;1/3 two.example unlimited;2/3 .three.example 22250319 01:02:03;")) {
    printf("written '%s'\n", written);
    failures++;
  }
  /* another handle of the share knows them */
  easy = handle("http://a.three.example/");
  curl_easy_setopt(easy, CURLOPT_SHARE, share);
  answer = -1;
  curl_easy_setopt(easy, CURLOPT_RESOLVE, NULL);
  curl_easy_perform(easy);
  curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &name);
  CHECK(name && !strncmp(name, "https://", 8));
  curl_easy_cleanup(easy);
  EQUAL(curl_share_cleanup(share), CURLSHE_OK);

  easy = handle(url);
  next = -1;
  curl_easy_setopt(easy, CURLOPT_HSTS_CTRL, CURLHSTS_ENABLE);
  curl_easy_setopt(easy, CURLOPT_HSTSREADFUNCTION, give_host);
  curl_easy_setopt(easy, CURLOPT_HSTSREADDATA, &next);
  EQUAL(curl_easy_perform(easy), CURLE_ABORTED_BY_CALLBACK);
  curl_easy_cleanup(easy);
}

int main(int argc, char **argv)
{
  if(argc != 2)
    return 2;
  sockets(argv[1]);
  probes(argv[1]);
  lookups(argv[1]);
  secured(argv[1]);
  printf("%d failures\n", failures);
  return failures != 0;
}
