/*
 * Threads that have one share with all locks, each with handles of its own, and one handle that goes from thread to thread.
 *
 * threads URL THREADS TRANSFERS
 */
#include "check.h"
#include <pthread.h>

static const char *url;
static int transfers, running;
static CURLSH *share;
static CURL *passed;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/* What the lock callbacks guard, and who holds it. */
static pthread_mutex_t locks[CURL_LOCK_DATA_LAST];
static CURL *holder[CURL_LOCK_DATA_LAST];
static long locked[CURL_LOCK_DATA_LAST];

static void lock(CURL *easy, curl_lock_data data, curl_lock_access access, void *user)
{
  CHECK(data > CURL_LOCK_DATA_NONE && data < CURL_LOCK_DATA_LAST);
  CHECK(access == CURL_LOCK_ACCESS_SHARED || access == CURL_LOCK_ACCESS_SINGLE);
  CHECK(easy && user == locks);
  EQUAL(pthread_mutex_lock(&locks[data]), 0);
  CHECK(!holder[data]);
  holder[data] = easy;
  locked[data]++;
}

static void unlock(CURL *easy, curl_lock_data data, void *user)
{
  CHECK(user == locks);
  CHECK(holder[data] == easy);
  holder[data] = NULL;
  EQUAL(pthread_mutex_unlock(&locks[data]), 0);
}

static size_t take(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  *(size_t *)to += size * count;
  return size * count;
}

static CURL *handle(void)
{
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(easy, CURLOPT_SHARE, share);
  curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
  return easy;
}

static void *work(void *unused)
{
  int at;
  (void)unused;
  for(at = 0; at < transfers; at++) {
    size_t bytes = 0;
    CURL *easy = handle();
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &bytes);
    EQUAL(curl_easy_perform(easy), CURLE_OK);
    EQUAL(bytes, 4);
    curl_easy_cleanup(easy);
    /* one handle goes from thread to thread */
    pthread_mutex_lock(&turn);
    bytes = 0;
    curl_easy_setopt(passed, CURLOPT_WRITEDATA, &bytes);
    EQUAL(curl_easy_perform(passed), CURLE_OK);
    EQUAL(bytes, 4);
    pthread_mutex_unlock(&turn);
  }
  return NULL;
}

int main(int argc, char **args)
{
  pthread_t threads[64];
  static const curl_lock_data shared[] = {CURL_LOCK_DATA_COOKIE, CURL_LOCK_DATA_DNS, CURL_LOCK_DATA_SSL_SESSION,
                                          CURL_LOCK_DATA_CONNECT, CURL_LOCK_DATA_PSL, CURL_LOCK_DATA_HSTS};
  struct curl_slist *cookies = NULL;
  pthread_mutexattr_t checked;
  int at;
  if(argc != 4)
    return 2;
  url = args[1];
  running = atoi(args[2]);
  transfers = atoi(args[3]);
  share = curl_share_init();
  /* one that locks twice is told so, and does not hang */
  pthread_mutexattr_init(&checked);
  pthread_mutexattr_settype(&checked, PTHREAD_MUTEX_ERRORCHECK);
  for(at = 0; at < CURL_LOCK_DATA_LAST; at++)
    pthread_mutex_init(&locks[at], &checked);
  for(at = 0; at < (int)(sizeof(shared) / sizeof(shared[0])); at++)
    EQUAL(curl_share_setopt(share, CURLSHOPT_SHARE, shared[at]), CURLSHE_OK);
  EQUAL(curl_share_setopt(share, CURLSHOPT_LOCKFUNC, lock), CURLSHE_OK);
  EQUAL(curl_share_setopt(share, CURLSHOPT_UNLOCKFUNC, unlock), CURLSHE_OK);
  EQUAL(curl_share_setopt(share, CURLSHOPT_USERDATA, locks), CURLSHE_OK);
  passed = handle();
  for(at = 0; at < running; at++)
    CHECK(pthread_create(&threads[at], NULL, work, NULL) == 0);
  for(at = 0; at < running; at++)
    pthread_join(threads[at], NULL);
  EQUAL(curl_easy_getinfo(passed, CURLINFO_COOKIELIST, &cookies), CURLE_OK);
  CHECK(cookies && !cookies->next && strstr(cookies->data, "a\tb"));
  curl_slist_free_all(cookies);
  curl_easy_cleanup(passed);
  EQUAL(curl_share_cleanup(share), CURLSHE_OK);
  for(at = 0; at < CURL_LOCK_DATA_LAST; at++)
    CHECK(!holder[at]);
  CHECK(locked[CURL_LOCK_DATA_SHARE] && locked[CURL_LOCK_DATA_CONNECT] && locked[CURL_LOCK_DATA_COOKIE]);
  CHECK(locked[CURL_LOCK_DATA_HSTS]);
  printf("%d failures\n", failures);
  return failures != 0;
}
