"""The built-in permissions, and the built-in roles that every tenant begins with."""

from enum import StrEnum


class Permission(StrEnum):
    """A built-in permission, which calls of the platform ask for."""

    MANAGE_USERS = "can_manage_users"
    MANAGE_ROLES = "can_manage_roles"
    EDIT_TEMPLATES = "can_edit_templates"
    UPLOAD_DATASETS = "can_upload_datasets"
    DELETE_DATASET = "can_delete_dataset"
    TRAIN_MODELS = "can_train_models"
    DELETE_MODELS = "can_delete_models"
    PREDICT = "can_predict"
    READ_DATALAKE = "can_read_datalake"
    TERMINATE_JOBS = "can_terminate_jobs"
    VIEW = "can_view"


class BuiltinRole(StrEnum):
    """A role that every tenant begins with."""

    ADMIN = "admin"
    DATA_SCIENTIST = "data_scientist"
    ANALYST = "analyst"
    SERVICE = "service"

    @property
    def permissions(self) -> frozenset[Permission]:
        """The permissions of the role in a new tenant. A tenant may change them; `admin` always holds all."""
        return _PERMISSIONS[self]


_PERMISSIONS = {
    BuiltinRole.ADMIN: frozenset(Permission),
    BuiltinRole.DATA_SCIENTIST: frozenset(Permission) - {Permission.MANAGE_USERS, Permission.MANAGE_ROLES},
    BuiltinRole.ANALYST: frozenset({Permission.VIEW, Permission.PREDICT, Permission.READ_DATALAKE}),
    BuiltinRole.SERVICE: frozenset({Permission.PREDICT}),
}
