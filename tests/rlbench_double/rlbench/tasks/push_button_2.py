"""Double of a task whose name has a number."""


class PushButton2:
    def get_name(self):
        return "push_button_2"

    def variation_count(self):
        return 2

    def init_episode(self, index):
        return [f"push button {index}"]
