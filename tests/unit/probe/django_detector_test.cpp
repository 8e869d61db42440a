// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/django_detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/probe/fake_proc.h"

namespace mtlswatch {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kPython[] = "/usr/bin/python3.11";
constexpr char kManage[] = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')";

struct Detector : ::testing::Test {
  FakeProc proc;
  FakeProcess process{.pid = 7};

  DjangoDetection detect(const std::string& command_line, const std::string& parent = "",
                         const std::string& executable = kPython) {
    process.executable = executable;
    proc.put(process);
    return detect_django(proc.reader(), {7, executable, command_line, parent});
  }
};

TEST_F(Detector, knows_the_servers_by_their_module) {
  for (const char* command : {
           "/usr/bin/python3 /usr/bin/gunicorn shop.wsgi:application -w 2",
           "python3 -m uvicorn shop.asgi:application --port 18002",
           "/venv/bin/python -u -X dev /venv/bin/hypercorn shop.asgi",
           "daphne -b 0.0.0.0 shop.asgi:application",
           "granian --interface wsgi shop.wsgi",
           "uwsgi-core --http :1 --module=shop.wsgi:application",
           "uwsgi --wsgi-file shop/wsgi.py",
           "gunicorn: worker [shop.wsgi]",
           "gunicorn: master [shop.wsgi:application]",
       }) {
    const auto detection = detect(command);
    EXPECT_EQ(detection.score, 3) << command;
    EXPECT_EQ(detection.backend, "shop") << command;
  }
}

TEST_F(Detector, takes_the_first_component_of_a_deep_module) {
  EXPECT_EQ(detect("gunicorn config.prod.wsgi").backend, "config");
}

TEST_F(Detector, knows_runserver_and_names_it_after_its_folder) {
  process.directory = "/srv/shop";
  const auto detection = detect("python3 manage.py runserver 0.0.0.0:8000");
  EXPECT_EQ(detection.score, 3);
  EXPECT_EQ(detection.backend, "shop");
  EXPECT_EQ(detect("python3 manage.py migrate").score, 0);
}

TEST_F(Detector, leaves_other_applications_below_the_threshold) {
  proc.put_file("/usr/lib/python3/dist-packages/django/__init__.py");  // installed, and not used
  for (const char* command : {
           "/usr/bin/python3 /usr/bin/gunicorn app:app",
           "gunicorn: worker [app:app]",
           "gunicorn wsgi:app",
           "python3 -m http.server",
           "python3 tool.py gunicorn shop.wsgi",
           "python3 -m pytest shop.wsgi",
           "",
       }) {
    const auto detection = detect(command);
    EXPECT_EQ(detection.score, 2) << command;
    EXPECT_FALSE(detection.detected()) << command;
  }
}

TEST_F(Detector, counts_manage_py_of_the_working_directory) {
  process.directory = "/srv/shop";
  proc.put_file("/srv/shop/manage.py", kManage);
  const auto detection = detect("gunicorn: worker [app:app]");
  EXPECT_EQ(detection.score, 3);
  EXPECT_EQ(detection.backend, "shop");
  proc.put_file("/srv/shop/manage.py", "print('another tool')");
  EXPECT_EQ(detect("gunicorn: worker [app:app]").score, 0);
}

TEST_F(Detector, reads_only_the_beginning_of_manage_py_and_never_waits_for_a_pipe) {
  process.directory = "/srv/shop";
  proc.put_file("/srv/shop/manage.py", std::string(1 << 20, ' ') + kManage);
  EXPECT_EQ(detect("python3").score, 0);
  std::filesystem::remove(proc.on_disk("/srv/shop/manage.py"));
  ASSERT_EQ(::mkfifo(proc.on_disk("/srv/shop/manage.py").c_str(), 0600), 0);
  EXPECT_EQ(detect("python3").score, 0);
}

TEST_F(Detector, does_not_follow_a_link_out_of_the_working_directory) {
  process.directory = "/srv/shop";
  proc.put_file("/etc/secret", kManage);
  std::filesystem::create_directories(proc.on_disk("/srv/shop"));
  std::filesystem::create_symlink(proc.on_disk("/etc/secret"), proc.on_disk("/srv/shop/manage.py"));
  EXPECT_EQ(detect("python3").score, 0);
}

TEST_F(Detector, counts_the_settings_module_of_the_first_environment) {
  process.environment = {"DJANGO_SETTINGS_MODULE=store.settings"};
  const auto detection = detect("python3 serve.py");
  EXPECT_EQ(detection.score, 4);
  EXPECT_EQ(detection.backend, "store");
  ASSERT_THAT(detection.clues, SizeIs(1));
  EXPECT_THAT(detection.clues[0].reason, HasSubstr("DJANGO_SETTINGS_MODULE=store.settings"));
}

TEST_F(Detector, ignores_neighbours_that_only_share_djangos_environment) {
  process.environment = {"DJANGO_SETTINGS_MODULE=shop.settings"};
  EXPECT_THAT(detect("nginx: master process nginx", "", "/usr/sbin/nginx").clues, IsEmpty());
  EXPECT_EQ(detect("/usr/bin/python3 /usr/bin/supervisord -n").score, 0);
  EXPECT_EQ(detect("python3 -m celery -A shop flower").score, 0);
}

TEST_F(Detector, asks_the_parent_of_a_spawned_worker) {
  const char* worker = "/usr/bin/python3 -c from multiprocessing.spawn import spawn_main; spawn_main(pipe_handle=5)";
  const auto detection = detect(worker, "python3 -m uvicorn shop.asgi:application --workers 2");
  EXPECT_EQ(detection.score, 3);
  EXPECT_EQ(detection.backend, "shop");
  EXPECT_EQ(detect("python3 worker.py", "python3 -m uvicorn shop.asgi:application").score, 0);
}

TEST_F(Detector, reads_the_ini_file_of_uwsgi) {
  process.directory = "/srv/shop";
  proc.put_file("/srv/shop/x.ini", "[uwsgi]\nmodule = shop.wsgi:application\n");
  proc.put_file("/etc/y.ini", "[uwsgi]\nenv = DJANGO_SETTINGS_MODULE=store.settings\n");
  proc.put_file("/etc/z.ini", "[uwsgi]\nmodule = flaskapp\n");
  EXPECT_EQ(detect("uwsgi-core --ini x.ini", "", "/usr/bin/uwsgi-core").backend, "shop");
  EXPECT_EQ(detect("uwsgi-core --ini=/etc/y.ini", "", "/usr/bin/uwsgi-core").score, 3);
  EXPECT_EQ(detect("uwsgi-core --ini /etc/z.ini", "", "/usr/bin/uwsgi-core").score, 0);
}

TEST_F(Detector, finds_django_in_a_virtual_environment) {
  proc.put_file("/opt/venv/lib/python3.11/site-packages/django/__init__.py");
  EXPECT_EQ(detect("python3 serve.py").score, 0);
  EXPECT_EQ(detect("/opt/venv/bin/python3 serve.py").score, 2);
  process.environment = {"VIRTUAL_ENV=/opt/venv"};
  EXPECT_EQ(detect("python3 serve.py").score, 2);
}

TEST(DjangoModule, accepts_a_dotted_module_alone) {
  EXPECT_EQ(django_module("shop.wsgi"), "shop.wsgi");
  EXPECT_EQ(django_module("shop.asgi:application"), "shop.asgi");
  EXPECT_EQ(django_module("'shop.wsgi'"), "shop.wsgi");
  EXPECT_EQ(django_module("/srv/shop/wsgi.py"), "shop.wsgi");
  for (const char* text : {"", "wsgi", ".wsgi", "wsgi:app", "shop.wsgi.x", "a-b.wsgi", "wsgi.py", "=", ".py", "/.py"}) {
    EXPECT_EQ(django_module(text), "") << text;
  }
}

}  // namespace
}  // namespace mtlswatch
