"""What pyproject.toml cannot say: params.yaml of the project goes into the wheel as ``popcast/params.yaml``."""

from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py

SETTINGS = Path(__file__).with_name("params.yaml")


class WithSettings(build_py):
    """Modules and data of the package, and the settings that it comes with."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            copyfile(SETTINGS, self._written())

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        kept = [] if self.editable_mode else [str(self._written())]
        return [*super().get_outputs(include_bytecode), *kept]

    def _written(self) -> Path:
        return Path(self.build_lib) / "popcast" / SETTINGS.name


setup(cmdclass={"build_py": WithSettings})
