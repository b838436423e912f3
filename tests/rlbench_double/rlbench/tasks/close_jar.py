"""Double of a task."""


class CloseJar:
    def get_name(self):
        return "close_jar"

    def variation_count(self):
        return 20

    def init_episode(self, index):
        return [f"close jar {index}", f"screw on the lid of jar {index}"]
