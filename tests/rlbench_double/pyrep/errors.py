"""Double of `pyrep.errors`."""


class ConfigurationPathError(Exception):
    pass


class IKError(Exception):
    pass
