"""What a user may do: the built-in permissions and the built-in roles that hold them."""

from enum import StrEnum


class Permission(StrEnum):
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


class Role(StrEnum):
    ADMIN = "admin"
    DATA_SCIENTIST = "data_scientist"
    ANALYST = "analyst"
    SERVICE = "service"

    @property
    def permissions(self) -> frozenset[Permission]:
        return _HELD[self]


_HELD = {
    Role.ADMIN: frozenset(Permission),
    Role.DATA_SCIENTIST: frozenset(Permission) - {Permission.MANAGE_USERS, Permission.MANAGE_ROLES},
    Role.ANALYST: frozenset({Permission.VIEW, Permission.PREDICT, Permission.READ_DATALAKE}),
    Role.SERVICE: frozenset({Permission.PREDICT}),
}
